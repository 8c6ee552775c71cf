//! One file of the spool, what is known of it, and the way through its records.

use std::io;

use bytes::Bytes;

use super::disk::Disk;
use super::frame::{self, HEAD_BYTES, Parsed, Record};
use super::header::{HEADER_BYTES, Header, ParsedHeader};

/// How much is read ahead.
const WINDOW_BYTES: usize = 256 * 1024;
const LIVING: &str = "segment";
const DAMAGED: &str = "damaged";

/// What is known of a segment that holds records which were not replayed yet.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) salt: u64,
    pub(super) first_sequence: u64,
    pub(super) at_us: i64,
    /// What counts: the durable bytes, header and all. What is written behind them was never acknowledged.
    pub(super) valid_bytes: u64,
    /// How many records it holds; of a recovered segment as far as its header tells.
    pub(super) records: u64,
    /// Whether it has to be kept for people when everything readable in it was replayed.
    pub(super) keep: bool,
}

/// The name of a living segment. Numbers have twenty digits, so that names sort like numbers.
pub(super) fn name(number: u64) -> String {
    format!("{number:020}.{LIVING}")
}

/// The name of a segment that people should look at.
pub(super) fn damaged_name(number: u64) -> String {
    format!("{number:020}.{DAMAGED}")
}

/// The number in a file's name, and whether the segment is a living one.
pub(super) fn number_in(name: &str) -> Option<(u64, bool)> {
    let (number, kind) = name.split_once('.')?;
    let number = number.parse().ok()?;
    match kind {
        LIVING => Some((number, true)),
        DAMAGED => Some((number, false)),
        _ => None,
    }
}

/// What the first look at a segment's file found.
#[derive(Debug)]
pub(super) enum Looked {
    /// A segment.
    Segment(Header, Segment),
    /// The writer stopped before its first record was durable: nothing in it was acknowledged.
    Unborn,
    /// It may hold acknowledged records, and none of them can be trusted.
    Lost,
}

/// Looks at the file of segment `number`.
pub(super) fn look(disk: &mut impl Disk, number: u64) -> io::Result<Looked> {
    let name = name(number);
    let size = disk.size(&name)?;
    let head = disk.read(&name, 0, HEADER_BYTES)?;
    let (header, keep) = match Header::parse(&head) {
        ParsedHeader::Whole(header) => (header, false),
        ParsedHeader::Half(header) => (header, size > HEADER_BYTES as u64),
        ParsedHeader::None if size <= HEADER_BYTES as u64 || is_zero(&head) => {
            return Ok(Looked::Unborn);
        }
        ParsedHeader::None => return Ok(Looked::Lost),
    };
    if header.number != number {
        return Ok(Looked::Lost);
    }
    let segment = Segment {
        number,
        salt: header.salt,
        first_sequence: header.first_sequence,
        at_us: header.at_us,
        valid_bytes: size,
        records: 0,
        keep,
    };
    Ok(Looked::Segment(header, segment))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// What lies at one place of a segment.
#[derive(Debug)]
pub(super) enum Step {
    /// A record; the next one begins at this byte.
    Record(Record, u64),
    /// Bytes that are not what was written; what can be read goes on at this byte.
    Damage(u64),
    /// An unfinished record, or space that was never filled, up to the end.
    Torn,
    /// Everything that counts was read.
    End,
}

/// Reads segments, a stretch at a time.
#[derive(Debug, Default)]
pub(super) struct Reader {
    segment: u64,
    from: u64,
    window: Vec<u8>,
}

impl Reader {
    /// What lies at byte `at`.
    pub(super) fn step(
        &mut self,
        disk: &mut impl Disk,
        segment: &Segment,
        at: u64,
    ) -> io::Result<Step> {
        let left = segment.valid_bytes.saturating_sub(at);
        if left == 0 {
            return Ok(Step::End);
        }
        let mut needs = HEAD_BYTES;
        loop {
            let bytes = self.bytes(disk, segment, at, needs)?;
            match frame::parse(bytes, segment.salt) {
                Parsed::Record(found) => {
                    let next = at.saturating_add(found.size() as u64);
                    let record = Record {
                        sequence: found.sequence,
                        at_us: found.at_us,
                        payload: Bytes::copy_from_slice(found.payload),
                        segment: segment.number,
                    };
                    return Ok(Step::Record(record, next));
                }
                Parsed::Short(size) if size as u64 <= left && size > needs => needs = size,
                Parsed::Short(_) => return Ok(Step::Torn),
                Parsed::Spoiled(size) => {
                    return Ok(Step::Damage(at.saturating_add(size as u64)));
                }
                Parsed::Damaged => return self.behind_damage(disk, segment, at),
            }
        }
    }

    fn behind_damage(
        &mut self,
        disk: &mut impl Disk,
        segment: &Segment,
        at: u64,
    ) -> io::Result<Step> {
        let left = usize::try_from(segment.valid_bytes.saturating_sub(at)).unwrap_or(usize::MAX);
        let bytes = self.bytes(disk, segment, at, left)?;
        if is_zero(bytes) {
            return Ok(Step::Torn);
        }
        let next = frame::next_head(bytes, segment.salt)
            .map_or(segment.valid_bytes, |distance| at + distance as u64);
        Ok(Step::Damage(next))
    }

    /// At least `needs` bytes from `at` on, fewer only where the segment ends.
    fn bytes(
        &mut self,
        disk: &mut impl Disk,
        segment: &Segment,
        at: u64,
        needs: usize,
    ) -> io::Result<&[u8]> {
        let left = usize::try_from(segment.valid_bytes.saturating_sub(at)).unwrap_or(usize::MAX);
        let needs = needs.min(left);
        let inside = |reader: &Self| {
            let skip = usize::try_from(at.checked_sub(reader.from)?).ok()?;
            let known = reader.window.len().checked_sub(skip)?;
            (reader.segment == segment.number && known >= needs).then_some(skip)
        };
        let skip = match inside(self) {
            Some(skip) => skip,
            None => {
                let wanted = needs.max(WINDOW_BYTES).min(left);
                self.window = disk.read(&name(segment.number), at, wanted)?;
                self.segment = segment.number;
                self.from = at;
                0
            }
        };
        let bytes = self.window.get(skip..).unwrap_or_default();
        Ok(bytes.get(..left.min(bytes.len())).unwrap_or_default())
    }

    /// Forgets what was read ahead.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}
