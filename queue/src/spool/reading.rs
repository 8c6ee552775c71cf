//! Reading a spool ahead of its replay, past what cannot be read.

use std::io;

use super::disk::Disk;
use super::header::HEADER_BYTES;
use super::segment::Step;
use super::{Incident, Spool, segment_end};

/// How often a segment that cannot be read is tried before it is left to people.
const READ_TRIES_MAX: u8 = 3;

impl<D: Disk> Spool<D> {
    /// Reads ahead.
    pub(super) fn fill(&mut self, records_max: usize, bytes_max: usize) -> io::Result<()> {
        let mut bytes: usize = self.pending.iter().map(|one| one.payload.len()).sum();
        while self.pending.len() < records_max && (self.pending.is_empty() || bytes < bytes_max) {
            let Some((number, at)) = self.cursor else {
                return Ok(());
            };
            let Some(segment) = self.segments.get(&number) else {
                self.cursor = None;
                return Ok(());
            };
            match self.reader.step(&mut self.disk, segment, at) {
                Ok(Step::Record(record, next)) => {
                    bytes = bytes.saturating_add(record.payload.len());
                    self.cursor = Some((number, next));
                    self.pending.push_back(record);
                }
                Ok(Step::Damage(next)) => {
                    self.damaged(number);
                    self.cursor = Some((number, next));
                }
                Ok(Step::Torn) => {
                    self.damaged(number);
                    self.cursor = Some((number, segment_end(&self.segments, number)));
                }
                Ok(Step::End) => match self.segments.range(number.saturating_add(1)..).next() {
                    Some((next, _)) => self.cursor = Some((*next, HEADER_BYTES as u64)),
                    None => break,
                },
                Err(error) => self.tolerate(number, error)?,
            }
            self.read_failures = 0;
        }
        Ok(())
    }

    pub(super) fn damaged(&mut self, number: u64) {
        if let Some(segment) = self.segments.get_mut(&number)
            && !std::mem::replace(&mut segment.keep, true)
        {
            self.incidents.push(Incident::Damaged { segment: number });
        }
    }

    /// A segment that cannot be read is tried a few times, then left to people.
    fn tolerate(&mut self, number: u64, error: io::Error) -> io::Result<()> {
        self.reader.forget();
        self.read_failures = self.read_failures.saturating_add(1);
        if self.read_failures < READ_TRIES_MAX {
            return Err(error);
        }
        self.damaged(number);
        self.cursor = Some((number, segment_end(&self.segments, number)));
        if self.active == Some(number) {
            self.active = None;
        }
        Ok(())
    }
}
