//! Opening a spool: which files count, how far the last one reaches, and what was replayed before.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use super::disk::Disk;
use super::frame::HEAD_BYTES;
use super::header::{HEADER_BYTES, Header};
use super::segment::{self, Looked, Reader, Segment, Step};
use super::{Incident, Limits, Spool, Writer, offset};

impl<D: Disk> Spool<D> {
    /// Opens the spool on `disk` and finds what an earlier run has left. Never grows an old segment.
    ///
    /// # Errors
    /// The disk cannot be read at all, or what was replayed cannot be remembered on it.
    pub fn open(mut disk: D, limits: Limits, writer: Writer) -> io::Result<Self> {
        let numbers: Vec<(u64, bool)> = disk
            .list()?
            .iter()
            .filter_map(|name| segment::number_in(name))
            .collect();
        let last_number = numbers.iter().map(|(number, _)| *number).max();
        let mut spool = Self {
            disk,
            limits,
            writer,
            segments: BTreeMap::new(),
            active: None,
            next_number: last_number.unwrap_or(0).saturating_add(1),
            next_sequence: 1,
            last_good: (0, 0),
            reader: Reader::default(),
            cursor: None,
            pending: VecDeque::new(),
            read_failures: 0,
            incidents: Vec::new(),
        };
        let replayed = spool.recall_offset()?;
        let living = numbers.into_iter().filter(|(_, is_living)| *is_living);
        let mut headers = BTreeMap::new();
        for (number, _) in living {
            spool.meet(number, &mut headers);
        }
        spool.believe_the_headers(&headers);
        let end = spool.walk_the_last();
        spool.next_sequence = replayed.max(end).max(1);
        spool.count_by_headers();
        spool.skip_what_was_replayed(replayed)?;
        // What was found out about names must not be found out again differently.
        drop(spool.disk.sync_directory());
        Ok(spool)
    }

    /// What was replayed before. A number that cannot be believed is replaced at once: found readable later, it might be
    /// larger than the places of new records.
    fn recall_offset(&mut self) -> io::Result<u64> {
        match offset::read(&mut self.disk) {
            Some(replayed) => Ok(replayed),
            None => {
                offset::write(&mut self.disk, 0)?;
                Ok(0)
            }
        }
    }

    fn meet(&mut self, number: u64, headers: &mut BTreeMap<u64, Header>) {
        match segment::look(&mut self.disk, number) {
            Ok(Looked::Segment(header, segment)) => {
                if segment.keep {
                    self.incidents.push(Incident::Damaged { segment: number });
                }
                headers.insert(number, header);
                self.segments.insert(number, segment);
            }
            Ok(Looked::Unborn) => drop(self.disk.remove(&segment::name(number))),
            Ok(Looked::Lost) | Err(_) => {
                self.incidents.push(Incident::Damaged { segment: number });
                let kept = segment::damaged_name(number);
                drop(self.disk.rename(&segment::name(number), &kept));
            }
        }
    }

    /// Each header says how much of the segment before it counts, and that nothing between the two does.
    fn believe_the_headers(&mut self, headers: &BTreeMap<u64, Header>) {
        for (number, header) in headers {
            let void: Vec<u64> = self
                .segments
                .range(header.before.saturating_add(1)..*number)
                .map(|(between, _)| *between)
                .collect();
            for between in void {
                self.segments.remove(&between);
                drop(self.disk.remove(&segment::name(between)));
            }
            let Some(before) = self.segments.get_mut(&header.before) else {
                continue;
            };
            if before.valid_bytes < header.before_bytes {
                before.keep = true;
                self.incidents.push(Incident::Damaged {
                    segment: header.before,
                });
            }
            before.valid_bytes = before.valid_bytes.min(header.before_bytes);
        }
    }

    /// Walks through the last segment, cuts off what was never finished, and returns the place behind everything that may
    /// ever have been written there.
    fn walk_the_last(&mut self) -> u64 {
        let Some(mut last) = self.segments.values().next_back().cloned() else {
            return 0;
        };
        let mut at = HEADER_BYTES as u64;
        let mut end = last.first_sequence;
        loop {
            match self.reader.step(&mut self.disk, &last, at) {
                Ok(Step::Record(record, next)) => {
                    end = end.max(record.sequence.saturating_add(1));
                    last.records = last.records.saturating_add(1);
                    at = next;
                }
                Ok(Step::Damage(next)) => {
                    self.damaged(last.number);
                    last.keep = true;
                    at = next;
                }
                Ok(Step::Torn) => {
                    self.cut(&mut last, at);
                    break;
                }
                Ok(Step::End) => break,
                Err(_) => {
                    self.damaged(last.number);
                    last.keep = true;
                    break;
                }
            }
        }
        self.reader.forget();
        // In bytes that cannot be read there were at most so many records.
        let unread = last.valid_bytes.saturating_sub(HEADER_BYTES as u64) / HEAD_BYTES as u64;
        let end = if last.keep {
            end.max(last.first_sequence.saturating_add(unread))
        } else {
            end
        };
        self.last_good = (last.number, last.valid_bytes);
        self.segments.insert(last.number, last);
        end
    }

    fn cut(&mut self, last: &mut Segment, at: u64) {
        let bytes = last.valid_bytes.saturating_sub(at);
        last.valid_bytes = at;
        let name = segment::name(last.number);
        // The next segment's header says the same, should the disk refuse.
        drop(self.disk.truncate(&name, at));
        drop(self.disk.sync(&name));
        self.incidents.push(Incident::TornTail {
            segment: last.number,
            bytes,
        });
    }

    /// How many records the segments hold, as far as it can be known without reading them.
    fn count_by_headers(&mut self) {
        let firsts: Vec<u64> = self
            .segments
            .values()
            .map(|one| one.first_sequence)
            .collect();
        let nexts = firsts.iter().skip(1);
        for (segment, next) in self.segments.values_mut().zip(nexts) {
            segment.records = next.saturating_sub(segment.first_sequence);
        }
    }

    /// Goes to the first record that was not replayed.
    fn skip_what_was_replayed(&mut self, replayed: u64) -> io::Result<()> {
        let Some(first) = self.segments.keys().next() else {
            return Ok(());
        };
        self.cursor = Some((*first, HEADER_BYTES as u64));
        loop {
            // A disk that cannot be read now may be readable when the records are wanted.
            let Ok(()) = self.fill(1, 1) else {
                return Ok(());
            };
            match self.pending.front() {
                Some(record) if record.sequence < replayed => {
                    if let Some(segment) = self.segments.get_mut(&record.segment) {
                        segment.records = segment.records.saturating_sub(1);
                    }
                    self.pending.pop_front();
                }
                Some(_) | None => break,
            }
        }
        self.remove_what_is_read();
        Ok(())
    }
}
