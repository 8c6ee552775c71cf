//! The head of a segment: which one it is, who wrote it, and what of the one before it counts.
//!
//! It stands there twice, because without its salt no record behind it could be trusted. "What counts" is how a failed flush
//! is remembered: the writer knew up to which byte the segment before was durable, and nothing behind that byte, and no
//! segment between the two, was ever acknowledged.

const MAGIC: [u8; 8] = *b"sallyspl";
const VERSION: u32 = 1;
/// Magic, version, number, writer, salt, first sequence, time, the one before, its bytes, checksum.
const COPY_BYTES: usize = 72;
/// What a segment begins with.
pub(super) const HEADER_BYTES: usize = 2 * COPY_BYTES;

/// The head of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Which segment it is; the numbers grow.
    pub(super) number: u64,
    /// Which run of which edge wrote it.
    pub(super) writer: u64,
    /// Goes into the checksum of every record.
    pub(super) salt: u64,
    /// No record in it has a smaller sequence.
    pub(super) first_sequence: u64,
    /// When it was begun, in microseconds of the writer's wall clock.
    pub(super) at_us: i64,
    /// The last segment before it that holds anything acknowledged; 0 when there was none.
    pub(super) before: u64,
    /// How many bytes of that one count.
    pub(super) before_bytes: u64,
}

/// What the first bytes of a segment are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ParsedHeader {
    /// Both copies agree.
    Whole(Header),
    /// One copy is damaged.
    Half(Header),
    /// Neither can be read.
    None,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(HEADER_BYTES);
        copy.extend_from_slice(&MAGIC);
        copy.extend_from_slice(&VERSION.to_le_bytes());
        for number in [self.number, self.writer, self.salt, self.first_sequence] {
            copy.extend_from_slice(&number.to_le_bytes());
        }
        copy.extend_from_slice(&self.at_us.to_le_bytes());
        copy.extend_from_slice(&self.before.to_le_bytes());
        copy.extend_from_slice(&self.before_bytes.to_le_bytes());
        copy.extend_from_slice(&crc32c::crc32c(&copy).to_le_bytes());
        debug_assert_eq!(copy.len(), COPY_BYTES, "a header is as long as it says");
        copy.repeat(2)
    }

    /// Reads the header from the first bytes of a segment.
    pub(super) fn parse(bytes: &[u8]) -> ParsedHeader {
        let (first, rest) = bytes.split_at(bytes.len().min(COPY_BYTES));
        let second = rest.get(..COPY_BYTES).unwrap_or_default();
        match (read_copy(first), read_copy(second)) {
            (Some(first), Some(second)) if first == second => ParsedHeader::Whole(first),
            (Some(one), _) | (None, Some(one)) => ParsedHeader::Half(one),
            (None, None) => ParsedHeader::None,
        }
    }
}

fn read_copy(bytes: &[u8]) -> Option<Header> {
    if bytes.len() != COPY_BYTES {
        return None;
    }
    let (signed, checksum) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(signed) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let rest = signed.strip_prefix(&MAGIC)?;
    let rest = rest.strip_prefix(&VERSION.to_le_bytes())?;
    let mut numbers = rest.as_chunks::<8>().0.iter();
    let mut next = || numbers.next().copied();
    Some(Header {
        number: u64::from_le_bytes(next()?),
        writer: u64::from_le_bytes(next()?),
        salt: u64::from_le_bytes(next()?),
        first_sequence: u64::from_le_bytes(next()?),
        at_us: i64::from_le_bytes(next()?),
        before: u64::from_le_bytes(next()?),
        before_bytes: u64::from_le_bytes(next()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        number: 4,
        writer: 77,
        salt: 0xdead_beef,
        first_sequence: 12,
        at_us: -1,
        before: 3,
        before_bytes: 4096,
    };

    #[test]
    fn one_flipped_bit_costs_no_header() {
        let written = HEADER.encode();
        assert_eq!(written.len(), HEADER_BYTES);
        assert_eq!(Header::parse(&written), ParsedHeader::Whole(HEADER));

        for bit in 0..written.len() * 8 {
            let mut bytes = written.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::parse(&bytes), ParsedHeader::Half(HEADER), "{bit}");
        }
    }

    #[test]
    fn half_a_header_is_one_and_less_is_none() {
        let written = HEADER.encode();

        for bytes in 0..COPY_BYTES {
            assert_eq!(Header::parse(&written[..bytes]), ParsedHeader::None);
        }
        assert_eq!(
            Header::parse(&written[..COPY_BYTES]),
            ParsedHeader::Half(HEADER)
        );
    }
}
