//! Which frames an HTTP/2 connection brings: their heads alone, counted as they pass.
//!
//! It exists because the h2 library bounds what frames make it remember, and not how many come that carry nothing: settings, pings,
//! window updates, resets and empty data cost it time for as long as they are sent. Nor does it mind how long a frame or a header block
//! stays unfinished. What frames mean is the library's affair; this file knows their lengths, kinds and two flags (RFC 9113, sections
//! 4.1 and 6), and its cost is one look at each head of nine bytes.

use std::time::{Duration, Instant};

/// The length of what a client says before its first frame.
const PREFACE_BYTES: usize = 24;
const HEAD_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// What we have sent pays for window updates: a client that reads sends two for every half of a window, the smallest of which that
/// clients use is 64 KiB.
const BYTES_PER_FRAME: usize = 8 * 1024;
/// The time within which frames are counted together.
const WINDOW: Duration = Duration::from_secs(1);

/// Counts the frames of one connection.
#[derive(Debug)]
pub(super) struct FrameMeter {
    /// How much of the preface, or of a frame's payload, is still to come.
    ahead: usize,
    head: [u8; HEAD_BYTES],
    /// How much of a head is there.
    head_filled: usize,
    /// Whether what is still to come is the payload of a DATA frame.
    in_data: bool,
    /// Whether a header block goes on in the next frame.
    in_block: bool,
    per_second_max: u32,
    window_began: Option<Instant>,
    spent: u32,
    /// Bytes that we have sent and that no frame has been paid with.
    earned: usize,
}

/// More frames came within a second than may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooManyFrames;

impl FrameMeter {
    /// For a connection whose client has said nothing yet and may send so many frames in a second that carry nothing.
    pub(super) fn new(per_second_max: u32) -> Self {
        Self {
            ahead: PREFACE_BYTES,
            head: [0; HEAD_BYTES],
            head_filled: 0,
            in_data: false,
            in_block: false,
            per_second_max,
            window_began: None,
            spent: 0,
            earned: 0,
        }
    }

    /// These bytes came.
    ///
    /// # Errors
    /// When with them more frames came than may.
    pub(super) fn came(&mut self, mut bytes: &[u8]) -> Result<(), TooManyFrames> {
        while !bytes.is_empty() {
            if self.ahead > 0 {
                let (_payload, rest) = bytes.split_at(self.ahead.min(bytes.len()));
                self.ahead = self
                    .ahead
                    .saturating_sub(bytes.len().saturating_sub(rest.len()));
                bytes = rest;
                continue;
            }
            let room = self.head.get_mut(self.head_filled..).unwrap_or_default();
            let (part, rest) = bytes.split_at(room.len().min(bytes.len()));
            for (place, byte) in room.iter_mut().zip(part) {
                *place = *byte;
            }
            self.head_filled = self.head_filled.saturating_add(part.len());
            bytes = rest;
            if self.head_filled == HEAD_BYTES {
                self.head_filled = 0;
                self.frame()?;
            }
        }
        Ok(())
    }

    /// So many bytes were sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        let most = usize::try_from(self.per_second_max)
            .unwrap_or(usize::MAX)
            .saturating_mul(BYTES_PER_FRAME);
        self.earned = self.earned.saturating_add(bytes).min(most);
    }

    /// Whether something was begun that only its sender can finish. Data has a pace of its own to keep: the body's.
    pub(super) fn is_in_the_middle(&self) -> bool {
        self.in_block || self.head_filled > 0 || (self.ahead > 0 && !self.in_data)
    }

    /// A frame's head is complete.
    fn frame(&mut self) -> Result<(), TooManyFrames> {
        let [high, middle, low, kind, flags, ..] = self.head;
        let length = u32::from_be_bytes([0, high, middle, low]);
        self.ahead = usize::try_from(length).unwrap_or(usize::MAX);
        self.in_data = kind == DATA;
        if kind == HEADERS || kind == CONTINUATION {
            self.in_block = flags & END_HEADERS == 0;
        }
        let carries = match kind {
            DATA => length > 0 || flags & END_STREAM != 0,
            HEADERS => true,
            _ => false,
        };
        if carries { Ok(()) } else { self.pay() }
    }

    fn pay(&mut self) -> Result<(), TooManyFrames> {
        if let Some(left) = self.earned.checked_sub(BYTES_PER_FRAME) {
            self.earned = left;
            return Ok(());
        }
        let now = Instant::now();
        let goes_on = self
            .window_began
            .is_some_and(|began| now.saturating_duration_since(began) < WINDOW);
        if !goes_on {
            self.window_began = Some(now);
            self.spent = 0;
        }
        self.spent = self.spent.saturating_add(1);
        if self.spent > self.per_second_max {
            return Err(TooManyFrames);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PING: u8 = 6;
    const WINDOW_UPDATE: u8 = 8;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend([kind, flags, 0, 0, 0, 1]);
        bytes.resize(HEAD_BYTES + payload, 0xff);
        bytes
    }

    /// A meter whose client has said its preface.
    fn meter(per_second_max: u32) -> FrameMeter {
        let mut meter = FrameMeter::new(per_second_max);
        meter.came(&[0; PREFACE_BYTES]).unwrap();
        meter
    }

    #[test]
    fn frames_that_carry_nothing_are_counted_and_those_of_requests_are_not() {
        let mut meter = meter(3);
        for _ in 0..100 {
            meter.came(&frame(HEADERS, END_HEADERS, 40)).unwrap();
            meter.came(&frame(DATA, 0, 1)).unwrap();
            meter.came(&frame(DATA, END_STREAM, 0)).unwrap();
        }
        meter.came(&frame(PING, 0, 8)).unwrap();
        meter.came(&frame(DATA, 0, 0)).unwrap();
        meter.came(&frame(CONTINUATION, 0, 9)).unwrap();

        assert_eq!(meter.came(&frame(0xbe, 0, 0)), Err(TooManyFrames));
    }

    #[test]
    fn whoever_reads_may_say_so() {
        let mut meter = meter(10);
        for _ in 0..100 {
            meter.sent(32 * 1024);
            meter.came(&frame(WINDOW_UPDATE, 0, 4)).unwrap();
            meter.came(&frame(WINDOW_UPDATE, 0, 4)).unwrap();
        }
    }

    #[test]
    fn what_was_sent_long_ago_does_not_pay_for_a_flood() {
        let mut meter = meter(10);
        meter.sent(usize::MAX);
        for _ in 0..20 {
            meter.came(&frame(WINDOW_UPDATE, 0, 4)).unwrap();
        }

        assert_eq!(meter.came(&frame(WINDOW_UPDATE, 0, 4)), Err(TooManyFrames));
    }

    #[test]
    fn a_header_block_is_in_the_middle_until_its_last_frame_is_whole() {
        let mut meter = meter(10);
        assert!(!meter.is_in_the_middle());

        meter.came(&frame(HEADERS, 0, 10)).unwrap();
        assert!(meter.is_in_the_middle());

        let last = frame(CONTINUATION, END_HEADERS, 10);
        let (most, end) = last.split_at(last.len() - 1);
        meter.came(most).unwrap();
        assert!(meter.is_in_the_middle());

        meter.came(end).unwrap();
        assert!(!meter.is_in_the_middle());

        meter.came(&frame(DATA, 0, 10)[..12]).unwrap();
        assert!(!meter.is_in_the_middle());
    }

    proptest! {
        #[test]
        fn it_does_not_matter_in_which_pieces_bytes_come(
            frames in prop::collection::vec((0_u8..11, 0_u8..6, 0_usize..40), 0..30),
            pieces in prop::collection::vec(1_usize..30, 1..50),
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(kind, flags, length)| frame(*kind, *flags, *length)).collect();
            let (mut whole, mut split) = (meter(u32::MAX), meter(u32::MAX));
            whole.came(&bytes).unwrap();
            let mut rest = &bytes[..];
            for length in pieces.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, later) = rest.split_at((*length).min(rest.len()));
                split.came(piece).unwrap();
                rest = later;
            }

            prop_assert_eq!(whole.spent, split.spent);
            prop_assert_eq!(whole.is_in_the_middle(), split.is_in_the_middle());
            prop_assert_eq!(whole.ahead, split.ahead);
        }
    }
}
