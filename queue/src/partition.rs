//! Keys, and the 256 partitions they fall into (law L4).
//!
//! A key names what must happen in order; a partition is what a worker owns. The hash between them is fixed by test
//! vectors, because rows written by yesterday's program carry its results.

use std::fmt;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

/// What must happen in order has the same key. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// Takes a key as it stands; its length is checked when a message with it is accepted.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(Arc::from(key))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition of everything that has this key.
    #[must_use]
    pub fn partition(&self) -> Partition {
        let [lowest, ..] = xxh3_64(self.0.as_bytes()).to_le_bytes();
        Partition(lowest)
    }
}

impl From<&str> for Key {
    fn from(key: &str) -> Self {
        Self::new(key)
    }
}

impl From<String> for Key {
    fn from(key: String) -> Self {
        Self(Arc::from(key))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One share of all keys, the unit of ownership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u8);

impl Partition {
    /// How many there are. Stored with the data and compared at start: another count would tear keys apart.
    pub const COUNT: u16 = 256;

    /// All of them, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }

    /// Its number.
    #[must_use]
    pub fn index(self) -> u8 {
        self.0
    }

    /// As the database stores it.
    pub(crate) fn to_sql(self) -> i16 {
        i16::from(self.0)
    }

    /// From what the database stores; `None` for a number that no partition has.
    pub(crate) fn from_sql(number: i16) -> Option<Self> {
        u8::try_from(number).ok().map(Self)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The fencing number of one ownership of one partition: grows with every transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub i64);

/// A set of partitions, small enough to be copied.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct PartitionSet([u64; 4]);

impl PartitionSet {
    /// No partition.
    pub const EMPTY: Self = Self([0; 4]);
    /// Every partition.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// Adds one.
    pub fn insert(&mut self, partition: Partition) {
        if let Some(word) = self.0.get_mut(usize::from(partition.0 / 64)) {
            *word |= 1 << (partition.0 % 64);
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, partition: Partition) {
        if let Some(word) = self.0.get_mut(usize::from(partition.0 / 64)) {
            *word &= !(1 << (partition.0 % 64));
        }
    }

    /// Whether it is in the set.
    #[must_use]
    pub fn contains(&self, partition: Partition) -> bool {
        self.0
            .get(usize::from(partition.0 / 64))
            .is_some_and(|word| word & (1 << (partition.0 % 64)) != 0)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    /// Adds all of `other`.
    pub fn union(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
    }

    /// Its members, in order.
    pub fn iter(&self) -> impl Iterator<Item = Partition> + '_ {
        Partition::all().filter(|partition| self.contains(*partition))
    }

    /// Sixty-four hexadecimal digits: what travels in a notification.
    pub(crate) fn to_hex(self) -> String {
        self.0.iter().map(|word| format!("{word:016x}")).collect()
    }

    /// Reads what [`to_hex`](Self::to_hex) wrote.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut words = [0_u64; 4];
        for (position, word) in words.iter_mut().enumerate() {
            *word = u64::from_str_radix(text.get(position * 16..(position + 1) * 16)?, 16).ok()?;
        }
        (text.len() == 64).then_some(Self(words))
    }
}

impl FromIterator<Partition> for PartitionSet {
    fn from_iter<I: IntoIterator<Item = Partition>>(partitions: I) -> Self {
        let mut set = Self::EMPTY;
        for partition in partitions {
            set.insert(partition);
        }
        set
    }
}

impl fmt::Debug for PartitionSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_set()
            .entries(self.iter().map(|partition| partition.0))
            .finish()
    }
}

#[cfg(test)]
mod tests;
