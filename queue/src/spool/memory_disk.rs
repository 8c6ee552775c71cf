//! A disk in memory that behaves as badly as a real one may: it forgets what was not flushed, tears what was being written,
//! fills up, fails, and after a failed flush says that all is well.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::disk::Disk;

/// What a disk is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Reading, listing, asking for a size.
    Read,
    /// Making a file.
    Create,
    /// Writing behind a file's end; half of the bytes arrive.
    Append,
    /// Flushing a file; what was not durable is lost, and the next flush will not say so.
    Sync,
    /// Flushing the names.
    SyncDirectory,
    /// Cutting a file.
    Truncate,
    /// Giving another name.
    Rename,
    /// Removing a file.
    Remove,
}

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The device failed (EIO).
    Device,
    /// There is no space (ENOSPC).
    NoSpace,
}

/// A disk in memory. Clones are the same disk, so that a test can look at it and break it while a spool uses it.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// What happened to the names since they were flushed, in order.
    changes: Vec<Change>,
    files: BTreeMap<u64, File>,
    next_file: u64,
    capacity_bytes: Option<u64>,
    next_troubles: VecDeque<(Operation, Trouble)>,
    lasting_troubles: Vec<(Operation, Trouble)>,
    operations_left: Option<u64>,
    operations: u64,
    holds_syncs: bool,
}

#[derive(Debug, Clone)]
enum Change {
    Set(String, u64),
    Unset(String),
    Rename(String, String),
}

#[derive(Debug, Clone, Default)]
struct File {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Up to here a failed flush has lost what was not durable then.
    lost: Vec<std::ops::Range<usize>>,
}

impl MemoryDisk {
    /// An empty disk without limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the disk a size.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity_bytes = bytes;
    }

    /// Makes the next such operation fail, once. Said twice, the next two fail.
    pub fn fail_next(&self, operation: Operation, trouble: Trouble) {
        self.state().next_troubles.push_back((operation, trouble));
    }

    /// Makes every such operation fail until [`heal`](Self::heal).
    pub fn fail_always(&self, operation: Operation, trouble: Trouble) {
        self.state().lasting_troubles.push((operation, trouble));
    }

    /// Ends all troubles and brings the power back.
    pub fn heal(&self) {
        let mut state = self.state();
        state.next_troubles.clear();
        state.lasting_troubles.clear();
        state.operations_left = None;
    }

    /// After so many operations more the power goes: every further one fails and does nothing.
    pub fn lose_power_after(&self, operations: u64) {
        self.state().operations_left = Some(operations);
    }

    /// How many operations it was asked for.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Makes flushes wait until [`release_syncs`](Self::release_syncs).
    pub fn hold_syncs(&self) {
        self.state().holds_syncs = true;
    }

    /// Lets flushes go on.
    pub fn release_syncs(&self) {
        self.state().holds_syncs = false;
        self.0.released.notify_all();
    }

    /// The power goes and comes back; only what was flushed is there.
    pub fn power_cut(&self) {
        self.power_cut_with(|_| 0);
    }

    /// The same, where some of what was not flushed may have arrived: `luck(n)` says how many of `n` bytes, or of `n` changes
    /// of names.
    pub fn power_cut_with(&self, mut luck: impl FnMut(usize) -> usize) {
        let mut state = self.state();
        let changes = std::mem::take(&mut state.changes);
        let kept = luck(changes.len()).min(changes.len());
        let mut names = std::mem::take(&mut state.durable_names);
        for change in changes.iter().take(kept) {
            change.apply(&mut names);
        }
        for file in state.files.values_mut() {
            file.lose_power(&mut luck);
        }
        state.names = names.clone();
        state.durable_names = names;
        state.operations_left = None;
    }

    /// The bytes of a file, as a reader sees them now.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.file(name).ok().map(|file| file.now.clone())
    }

    /// Replaces the bytes of a file, durably: somebody edits it while nobody runs.
    pub fn overwrite(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        if let Ok(file) = state.file_mut(name) {
            file.durable.clone_from(&bytes);
            file.now = bytes;
            file.lost.clear();
        }
    }

    /// The names as a reader sees them now.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Set(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Unset(name) => {
                names.remove(name);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }
}

impl File {
    /// What a reader finds after the power came back: the durable bytes, and with luck some that were on their way.
    fn lose_power(&mut self, luck: &mut impl FnMut(usize) -> usize) {
        let mut bytes = self.durable.clone();
        let written = self.with_holes();
        if written.len() < bytes.len() {
            if luck(1) > 0 {
                bytes = written;
            }
        } else {
            let more = written.len() - bytes.len();
            let arrived = luck(more).min(more);
            bytes.extend(written.iter().skip(bytes.len()).take(arrived));
        }
        self.now.clone_from(&bytes);
        self.durable = bytes;
        self.lost.clear();
    }

    /// What a flush makes durable: after a failed one the lost bytes are zeros, and nobody says so.
    fn with_holes(&self) -> Vec<u8> {
        let mut bytes = self.now.clone();
        for range in &self.lost {
            let end = range.end.min(bytes.len());
            if let Some(hole) = bytes.get_mut(range.start.min(end)..end) {
                hole.fill(0);
            }
        }
        bytes
    }
}

impl State {
    fn begin(&mut self, operation: Operation) -> io::Result<()> {
        self.operations += 1;
        match &mut self.operations_left {
            Some(0) => return Err(io::Error::other("the power is off")),
            Some(left) => *left -= 1,
            None => {}
        }
        let next = self
            .next_troubles
            .iter()
            .position(|(meant, _)| *meant == operation);
        if let Some((_, trouble)) = next.and_then(|place| self.next_troubles.remove(place)) {
            return Err(trouble.error());
        }
        let lasting = self
            .lasting_troubles
            .iter()
            .find(|(meant, _)| *meant == operation);
        lasting.map_or(Ok(()), |(_, trouble)| Err(trouble.error()))
    }

    fn file(&self, name: &str) -> io::Result<&File> {
        let file = self.names.get(name).and_then(|file| self.files.get(file));
        file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn file_mut(&mut self, name: &str) -> io::Result<&mut File> {
        let file = self.names.get(name).copied();
        file.and_then(|file| self.files.get_mut(&file))
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn room(&self) -> usize {
        let used: u64 = self
            .names
            .values()
            .filter_map(|file| self.files.get(file))
            .map(|file| file.now.len() as u64)
            .sum();
        self.capacity_bytes.map_or(usize::MAX, |capacity| {
            usize::try_from(capacity.saturating_sub(used)).unwrap_or(usize::MAX)
        })
    }
}

impl Trouble {
    fn error(self) -> io::Error {
        match self {
            Self::Device => io::Error::other("the device failed"),
            Self::NoSpace => io::Error::from(io::ErrorKind::StorageFull),
        }
    }
}

impl Disk for MemoryDisk {
    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.begin(Operation::Read)?;
        Ok(state.names.keys().cloned().collect())
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        let mut state = self.state();
        state.begin(Operation::Read)?;
        Ok(state.file(name)?.now.len() as u64)
    }

    fn read(&mut self, name: &str, from: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.begin(Operation::Read)?;
        let bytes = &state.file(name)?.now;
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(bytes.iter().skip(from).take(bytes_max).copied().collect())
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::Create)?;
        if state.room() == 0 {
            return Err(Trouble::NoSpace.error());
        }
        let file = state.next_file;
        state.next_file += 1;
        state.files.insert(file, File::default());
        state.change(Change::Set(name.to_owned(), file));
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        if let Err(error) = state.begin(Operation::Append) {
            let arrived = bytes.get(..bytes.len() / 2).unwrap_or_default();
            if state.operations_left != Some(0) {
                state.file_mut(name)?.now.extend_from_slice(arrived);
            }
            return Err(error);
        }
        let room = state.room();
        let file = state.file_mut(name)?;
        file.now.extend(bytes.iter().take(room));
        if bytes.len() > room {
            return Err(Trouble::NoSpace.error());
        }
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        while state.holds_syncs {
            self.0.released.wait(&mut state);
        }
        if let Err(error) = state.begin(Operation::Sync) {
            if state.operations_left != Some(0) {
                let file = state.file_mut(name)?;
                let lost = file.durable.len()..file.now.len();
                file.lost.push(lost);
            }
            return Err(error);
        }
        let file = state.file_mut(name)?;
        file.durable = file.with_holes();
        Ok(())
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::SyncDirectory)?;
        state.durable_names = state.names.clone();
        state.changes.clear();
        Ok(())
    }

    fn truncate(&mut self, name: &str, bytes: u64) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::Truncate)?;
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        state.file_mut(name)?.now.truncate(bytes);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::Rename)?;
        state.file(from)?;
        state.change(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::Remove)?;
        state.file(name)?;
        state.change(Change::Unset(name.to_owned()));
        Ok(())
    }
}
