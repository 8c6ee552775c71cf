//! The form of one record inside a segment: a head with a checksum of its own, then the payload.
//!
//! Two checksums, because they answer two questions. As long as the head is whole, a damaged payload costs one record:
//! the head says where the next one begins. When the head is damaged, the next whole head is searched for. Strangers choose
//! payloads, so one of them may contain what looks like a record; the segment's secret salt is part of every head's
//! checksum, and nobody outside can compute it.

use bytes::Bytes;

/// The first bytes of every record.
pub(super) const MARKER: [u8; 4] = [0xf5, b's', b'p', 0x0a];
/// Marker, length, sequence, time, checksum of the payload, checksum of the head.
pub(super) const HEAD_BYTES: usize = 32;

/// A record to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// When it was accepted, in microseconds of the writer's wall clock.
    pub at_us: i64,
    /// Its bytes.
    pub payload: Bytes,
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the order of the spool.
    pub sequence: u64,
    /// When it was accepted, in microseconds of the writer's wall clock.
    pub at_us: i64,
    /// Its bytes.
    pub payload: Bytes,
    /// The segment it lies in.
    pub segment: u64,
}

/// What a stretch of bytes begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'b> {
    /// A whole record of so many bytes.
    Record(Found<'b>),
    /// The beginning of a record that needs so many bytes.
    Short(usize),
    /// A whole head whose payload is not what was written; the record has so many bytes.
    Spoiled(usize),
    /// Nothing that was ever written like this.
    Damaged,
}

/// A whole record inside a stretch of bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found<'b> {
    pub(super) sequence: u64,
    pub(super) at_us: i64,
    pub(super) payload: &'b [u8],
}

impl Found<'_> {
    /// How many bytes it takes in the segment.
    pub(super) fn size(&self) -> usize {
        HEAD_BYTES + self.payload.len()
    }
}

/// How many bytes a record with such a payload takes.
pub(super) fn size_of(payload: &[u8]) -> usize {
    HEAD_BYTES + payload.len()
}

/// Writes a record behind what is in `into`.
pub(super) fn encode(into: &mut Vec<u8>, salt: u64, sequence: u64, record: &NewRecord) {
    let length = u32::try_from(record.payload.len()).unwrap_or(u32::MAX);
    let begin = into.len();
    into.extend_from_slice(&MARKER);
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(&sequence.to_le_bytes());
    into.extend_from_slice(&record.at_us.to_le_bytes());
    into.extend_from_slice(&crc32c::crc32c(&record.payload).to_le_bytes());
    let head = head_checksum(salt, into.get(begin..).unwrap_or_default());
    into.extend_from_slice(&head.to_le_bytes());
    into.extend_from_slice(&record.payload);
}

/// Reads what `bytes` begin with.
pub(super) fn parse(bytes: &[u8], salt: u64) -> Parsed<'_> {
    let Some((head, rest)) = bytes.split_at_checked(HEAD_BYTES) else {
        return Parsed::Short(HEAD_BYTES);
    };
    let Some(head) = read_head(head, salt) else {
        return Parsed::Damaged;
    };
    let size = HEAD_BYTES.saturating_add(head.length);
    let Some(payload) = rest.get(..head.length) else {
        return Parsed::Short(size);
    };
    if crc32c::crc32c(payload) != head.payload_checksum {
        return Parsed::Spoiled(size);
    }
    Parsed::Record(Found {
        sequence: head.sequence,
        at_us: head.at_us,
        payload,
    })
}

/// The distance to the next whole head behind the first byte of `bytes`.
pub(super) fn next_head(bytes: &[u8], salt: u64) -> Option<usize> {
    (1..bytes.len()).find(|at| {
        bytes
            .get(*at..)
            .and_then(|rest| rest.get(..HEAD_BYTES))
            .is_some_and(|head| head.starts_with(&MARKER) && read_head(head, salt).is_some())
    })
}

struct Head {
    length: usize,
    sequence: u64,
    at_us: i64,
    payload_checksum: u32,
}

fn read_head(bytes: &[u8], salt: u64) -> Option<Head> {
    let (signed, checksum) = bytes.split_last_chunk::<4>()?;
    if !signed.starts_with(&MARKER) || head_checksum(salt, signed) != u32::from_le_bytes(*checksum)
    {
        return None;
    }
    let (length, rest) = signed.get(MARKER.len()..)?.split_first_chunk::<4>()?;
    let (sequence, rest) = rest.split_first_chunk::<8>()?;
    let (at_us, rest) = rest.split_first_chunk::<8>()?;
    let (payload_checksum, _) = rest.split_first_chunk::<4>()?;
    Some(Head {
        length: usize::try_from(u32::from_le_bytes(*length)).ok()?,
        sequence: u64::from_le_bytes(*sequence),
        at_us: i64::from_le_bytes(*at_us),
        payload_checksum: u32::from_le_bytes(*payload_checksum),
    })
}

fn head_checksum(salt: u64, head: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(sequence: u64, payload: &'static [u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let record = NewRecord {
            at_us: -5,
            payload: Bytes::from_static(payload),
        };
        encode(&mut bytes, 7, sequence, &record);
        bytes
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = written(3, b"hello");

        let Parsed::Record(found) = parse(&bytes, 7) else {
            panic!("no record")
        };

        assert_eq!(found.payload, b"hello");
        assert_eq!((found.sequence, found.at_us), (3, -5));
        assert_eq!(found.size(), bytes.len());
    }

    #[test]
    fn a_record_inside_a_strangers_payload_is_no_record() {
        let forged = written(9, b"pay me");

        assert_eq!(parse(&forged, 8), Parsed::Damaged);
        assert_eq!(next_head(&[&b"x"[..], &forged].concat(), 8), None);
        assert_eq!(next_head(&[&b"x"[..], &forged].concat(), 7), Some(1));
    }

    #[test]
    fn a_spoiled_payload_leaves_the_way_to_the_next_record() {
        let mut bytes = written(3, b"hello");
        *bytes.last_mut().unwrap() ^= 1;

        assert_eq!(parse(&bytes, 7), Parsed::Spoiled(bytes.len()));
    }
}
