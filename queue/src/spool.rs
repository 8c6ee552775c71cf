//! The disk spool of an edge: where accepted messages lie while Postgres cannot take them (design §3, laws L1 and L3).
//!
//! It exists so that losing Postgres costs answers and never messages. Records are appended to segments, flushed, and only
//! then acknowledged; they come out in the order in which they went in, and a segment whose records were all replayed is
//! removed. Nothing here waits, knows a clock or draws a number: the [`Disk`] is handed in, and so is everything else, so that
//! the same code runs on a folder and in a simulation. It refuses to know what a record means.
//!
//! The rules, each kept by a test:
//! - A record is acknowledged after its bytes *and* its segment's name are flushed.
//! - After a failed flush nothing is known, so nothing is flushed again: the segment is left behind with what was acknowledged
//!   before, and the records that were not go, from memory, into a new one. If that fails as well, nobody gets a receipt.
//! - An unfinished record at the end of the last segment was never acknowledged and is cut off. Damage anywhere else costs
//!   what cannot be read, never what can, and the file is kept for people (`*.damaged`).

mod disk;
mod events;
mod folder;
mod frame;
mod header;
mod keeper;
#[cfg(any(test, feature = "test-util"))]
mod memory_disk;
mod offset;
mod reading;
mod recovery;
mod segment;
mod settings;
mod switch;

use std::collections::{BTreeMap, VecDeque};
use std::io;

pub(crate) use events::{adopted, not_opened, opened};
pub(crate) use keeper::{Keeper, Owner, Refusal};

pub use disk::Disk;
pub use folder::{Folder, Slots};
pub use frame::{NewRecord, Record};
pub use keeper::SpoolState;
#[cfg(any(test, feature = "test-util"))]
pub use memory_disk::{MemoryDisk, Operation, Trouble};
pub use settings::Settings;
pub use switch::{Route, Switch};

use header::{HEADER_BYTES, Header};
use segment::{Reader, Segment};

/// How large a spool and its files may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that it holds.
    pub bytes_max: u64,
    /// A segment that has grown to so many bytes gets no further record. One append is never divided, so a segment may
    /// be larger by that.
    pub segment_bytes: u64,
}

/// What was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The place of its first record.
    pub first: u64,
    /// The place behind its last record.
    pub up_to: u64,
    /// The segment it lies in.
    pub segment: u64,
    /// How many bytes it took.
    pub bytes: u64,
}

/// Why records were not appended. None of them will ever be replayed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The spool holds as much as it may, or the disk has no space.
    #[error("the spool is full")]
    Full,
    /// The disk failed twice in a row.
    #[error("the spool's disk failed")]
    Disk(#[source] io::Error),
}

/// What the spool found while it worked, for whoever tells people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incident {
    /// The last segment ended in an unfinished record, which was cut off.
    TornTail {
        /// Which one.
        segment: u64,
        /// How many bytes were cut off.
        bytes: u64,
    },
    /// Bytes of a segment are not what was written. What can be read is replayed, then the file is kept as `*.damaged`.
    Damaged {
        /// Which one.
        segment: u64,
    },
    /// A write or a flush failed: the segment gets no further record.
    Abandoned {
        /// Which one.
        segment: u64,
        /// What the disk said.
        reason: String,
    },
}

/// How full a spool is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fill {
    /// The bytes of all segments that are not replayed.
    pub bytes: u64,
    /// The records in them; after a start this is what the headers tell.
    pub records: u64,
    /// When the oldest of them was accepted, in microseconds of its writer's wall clock.
    pub oldest_at_us: Option<i64>,
}

/// Which run of an edge this is, and where its salts come from.
pub struct Writer {
    /// A number of its own for every run.
    pub run: u64,
    /// Numbers that nobody outside can guess.
    pub salts: Box<dyn FnMut() -> u64 + Send>,
}

/// The spool on one disk. Every call blocks until the disk is done.
pub struct Spool<D> {
    disk: D,
    limits: Limits,
    writer: Writer,
    segments: BTreeMap<u64, Segment>,
    /// The segment that grows.
    active: Option<u64>,
    next_number: u64,
    next_sequence: u64,
    /// The newest segment that held anything acknowledged, and how much of it counts.
    last_good: (u64, u64),
    reader: Reader,
    /// Where reading goes on: a segment and a byte in it.
    cursor: Option<(u64, u64)>,
    /// What was read and not yet replayed.
    pending: VecDeque<Record>,
    read_failures: u8,
    incidents: Vec<Incident>,
}

impl<D: Disk> Spool<D> {
    /// Appends records in this order, durably. When this returns `Ok`, they survive a power cut.
    ///
    /// # Errors
    /// Nothing was acknowledged.
    pub fn append(&mut self, records: &[NewRecord]) -> Result<Appended, AppendError> {
        let size: usize = records.iter().map(|one| frame::size_of(&one.payload)).sum();
        let needs = HEADER_BYTES as u64 + size as u64;
        if self.bytes().saturating_add(needs) > self.limits.bytes_max {
            return Err(AppendError::Full);
        }
        for is_last_try in [false, true] {
            match self.write(records, size) {
                Ok(appended) => return Ok(appended),
                Err(error) if is_full(&error) => return Err(AppendError::Full),
                Err(error) if is_last_try => return Err(AppendError::Disk(error)),
                // From memory, into a new segment.
                Err(_) => {}
            }
        }
        Err(AppendError::Full)
    }

    /// The next records that were not replayed, oldest first, at most so many and at least one if there is any; they stay until
    /// [`advance`](Self::advance).
    ///
    /// # Errors
    /// The disk cannot be read. After a few of these the segment is left to people, and what follows is read.
    pub fn peek(&mut self, records_max: usize, bytes_max: usize) -> io::Result<Vec<Record>> {
        self.fill(records_max, bytes_max)?;
        if self.pending.is_empty() {
            self.remove_what_is_read();
        }
        let mut bytes = 0_usize;
        let batch = self.pending.iter().take(records_max).take_while(|record| {
            let fits = bytes == 0 || bytes.saturating_add(record.payload.len()) <= bytes_max;
            bytes = bytes.saturating_add(record.payload.len().max(1));
            fits
        });
        Ok(batch.cloned().collect())
    }

    /// Everything below the place `up_to` is where it belongs: remembers that durably and removes what is no longer needed.
    ///
    /// # Errors
    /// It could not be remembered. After a crash some records will come again.
    pub fn advance(&mut self, up_to: u64) -> io::Result<()> {
        while self
            .pending
            .pop_front_if_below(up_to)
            .inspect(|record| {
                if let Some(segment) = self.segments.get_mut(&record.segment) {
                    segment.records = segment.records.saturating_sub(1);
                }
            })
            .is_some()
        {}
        let remembered = offset::write(&mut self.disk, up_to);
        self.remove_what_is_read();
        remembered
    }

    /// Keeps the file in which the record at this place lies, because the record could not be put where it belongs.
    pub fn keep(&mut self, sequence: u64) {
        let holds = |record: &&Record| record.sequence == sequence;
        let segment = self.pending.iter().find(holds).map(|record| record.segment);
        if let Some(segment) = segment.and_then(|number| self.segments.get_mut(&number)) {
            segment.keep = true;
        }
    }

    /// The place behind the last record, when nothing before it is left.
    #[must_use]
    pub fn emptied_up_to(&self) -> Option<u64> {
        self.segments.is_empty().then_some(self.next_sequence)
    }

    /// The place behind the last record that was ever appended.
    #[must_use]
    pub fn up_to(&self) -> u64 {
        self.next_sequence
    }

    /// How full it is.
    #[must_use]
    pub fn fill_level(&self) -> Fill {
        let oldest = self
            .pending
            .front()
            .map(|record| record.at_us)
            .or_else(|| self.segments.values().next().map(|segment| segment.at_us));
        Fill {
            bytes: self.bytes(),
            records: self.segments.values().map(|one| one.records).sum(),
            oldest_at_us: oldest,
        }
    }

    /// How large it may be.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What was found since the last question.
    pub fn take_incidents(&mut self) -> Vec<Incident> {
        std::mem::take(&mut self.incidents)
    }

    fn bytes(&self) -> u64 {
        self.segments.values().map(|one| one.valid_bytes).sum()
    }

    /// One try to make records durable. Its places are used up whatever happens: bytes that were not acknowledged may
    /// still turn up on the disk, and must never stand for other records.
    fn write(&mut self, records: &[NewRecord], size: usize) -> io::Result<Appended> {
        let first = self.next_sequence;
        self.next_sequence = first.saturating_add(records.len() as u64);
        let grown = self
            .active
            .and_then(|number| self.segments.get(&number))
            .filter(|segment| segment.valid_bytes < self.limits.segment_bytes)
            .map(|segment| (segment.number, segment.salt));
        let (number, written) = match grown {
            Some((number, salt)) => (number, self.grow(number, salt, first, records, size)),
            None => {
                let number = self.next_number;
                self.next_number = number.saturating_add(1);
                (number, self.begin(number, first, records, size))
            }
        };
        if let Err(error) = written {
            self.abandon(number, &error);
            return Err(error);
        }
        Ok(Appended {
            first,
            up_to: self.next_sequence,
            segment: number,
            bytes: size as u64,
        })
    }

    fn grow(
        &mut self,
        number: u64,
        salt: u64,
        first: u64,
        records: &[NewRecord],
        size: usize,
    ) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(size);
        encode_all(&mut bytes, salt, first, records);
        let name = segment::name(number);
        self.disk.append(&name, &bytes)?;
        self.disk.sync(&name)?;
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.valid_bytes = segment.valid_bytes.saturating_add(bytes.len() as u64);
            segment.records = segment.records.saturating_add(records.len() as u64);
            self.last_good = (number, segment.valid_bytes);
        }
        Ok(())
    }

    fn begin(
        &mut self,
        number: u64,
        first: u64,
        records: &[NewRecord],
        size: usize,
    ) -> io::Result<()> {
        let header = Header {
            number,
            writer: self.writer.run,
            salt: (self.writer.salts)(),
            first_sequence: first,
            at_us: records.first().map_or(0, |record| record.at_us),
            before: self.last_good.0,
            before_bytes: self.last_good.1,
        };
        let mut bytes = header.encode();
        bytes.reserve(size);
        encode_all(&mut bytes, header.salt, first, records);
        let name = segment::name(number);
        self.disk.create(&name)?;
        self.disk.append(&name, &bytes)?;
        self.disk.sync(&name)?;
        self.disk.sync_directory()?;
        let segment = Segment {
            number,
            salt: header.salt,
            first_sequence: first,
            at_us: header.at_us,
            valid_bytes: bytes.len() as u64,
            records: records.len() as u64,
            keep: false,
        };
        self.last_good = (number, segment.valid_bytes);
        self.segments.insert(number, segment);
        self.active = Some(number);
        self.cursor.get_or_insert((number, HEADER_BYTES as u64));
        Ok(())
    }

    /// Leaves a segment behind after a failure. What of it was acknowledged stays; the rest is taken away as far as the
    /// disk allows, and the next segment's header says for certain what counts.
    fn abandon(&mut self, number: u64, error: &io::Error) {
        self.incidents.push(Incident::Abandoned {
            segment: number,
            reason: error.to_string(),
        });
        self.active = None;
        let name = segment::name(number);
        // The disk has just failed; whether it does this is not relied on. Only a crash before the next append, on a disk that
        // refused this too, can bring back what nobody got a receipt for.
        let forgotten = match self.segments.get(&number) {
            Some(segment) => self
                .disk
                .truncate(&name, segment.valid_bytes)
                .and_then(|()| self.disk.sync(&name)),
            None => self
                .disk
                .remove(&name)
                .and_then(|()| self.disk.sync_directory()),
        };
        drop(forgotten);
    }

    /// Takes away the files of which every record was replayed; those that people should look at get another name.
    fn remove_what_is_read(&mut self) {
        let Some((reading, at)) = self.cursor else {
            return;
        };
        let first_needed = self.pending.front().map(|record| record.segment);
        let is_read = |segment: &Segment| {
            first_needed.is_none_or(|needed| segment.number < needed)
                && (segment.number < reading
                    || (segment.number == reading && at >= segment.valid_bytes))
        };
        let read: Vec<Segment> = self
            .segments
            .values()
            .filter(|segment| is_read(segment))
            .cloned()
            .collect();
        if read.is_empty() {
            return;
        }
        for segment in &read {
            self.segments.remove(&segment.number);
            self.reader.forget();
            if self.active == Some(segment.number) {
                self.active = None;
            }
            self.put_away(segment);
        }
        // A name that comes back after a crash is harmless: its records were replayed.
        drop(self.disk.sync_directory());
        let next = self.segments.range(reading..).next();
        self.cursor = next.map(|(number, _)| match *number == reading {
            true => (reading, at),
            false => (*number, HEADER_BYTES as u64),
        });
    }

    fn put_away(&mut self, segment: &Segment) {
        let name = segment::name(segment.number);
        if segment.keep {
            drop(
                self.disk
                    .rename(&name, &segment::damaged_name(segment.number)),
            );
        } else {
            drop(self.disk.remove(&name));
        }
    }
}

/// Taking replayed records off the front.
trait PopBelow {
    fn pop_front_if_below(&mut self, up_to: u64) -> Option<Record>;
}

impl PopBelow for VecDeque<Record> {
    fn pop_front_if_below(&mut self, up_to: u64) -> Option<Record> {
        if self.front()?.sequence < up_to {
            self.pop_front()
        } else {
            None
        }
    }
}

fn segment_end(segments: &BTreeMap<u64, Segment>, number: u64) -> u64 {
    segments.get(&number).map_or(0, |one| one.valid_bytes)
}

fn encode_all(into: &mut Vec<u8>, salt: u64, first: u64, records: &[NewRecord]) {
    for (sequence, record) in (first..).zip(records) {
        frame::encode(into, salt, sequence, record);
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

#[cfg(test)]
mod tests;
