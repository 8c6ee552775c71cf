//! Positions in the write-ahead log, and the names of its segments.

use std::fmt;
use std::str::FromStr;

/// A position in the log, written as Postgres does: `0/3000028`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lsn(pub(crate) u64);

impl FromStr for Lsn {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (high, low) = text.split_once('/').ok_or(())?;
        let part = |text| u32::from_str_radix(text, 16).map_err(|_| ());
        Ok(Self(u64::from(part(high)?) << 32 | u64::from(part(low)?)))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// One segment: a file of the log, on one timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Segment {
    pub(crate) timeline: u32,
    pub(crate) number: u64,
}

impl Segment {
    /// The segment of `timeline` in which `position` lies.
    pub(crate) fn at(timeline: u32, position: Lsn, segment_bytes: u64) -> Self {
        Self {
            timeline,
            number: position.0 / segment_bytes.max(1),
        }
    }

    /// Reads a name of 24 hexadecimal digits.
    pub(crate) fn parse(name: &str, segment_bytes: u64) -> Option<Self> {
        if name.len() != 24 || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let part = |from: usize| u32::from_str_radix(name.get(from..from + 8)?, 16).ok();
        let (timeline, log, low) = (part(0)?, part(8)?, part(16)?);
        Some(Self {
            timeline,
            number: u64::from(log) * per_log(segment_bytes) + u64::from(low),
        })
    }

    /// The file's name.
    pub(crate) fn name(self, segment_bytes: u64) -> String {
        let per_log = per_log(segment_bytes);
        format!(
            "{:08X}{:08X}{:08X}",
            self.timeline,
            self.number / per_log,
            self.number % per_log
        )
    }
}

fn per_log(segment_bytes: u64) -> u64 {
    (0x1_0000_0000 / segment_bytes.max(1)).max(1)
}

/// The timelines that lead to one: each with the position at which the next one branched off, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lineage {
    pub(crate) timeline: u32,
    pub(crate) ancestors: Vec<(u32, Lsn)>,
}

impl Lineage {
    /// A timeline of which no ancestors are known.
    pub(crate) fn alone(timeline: u32) -> Self {
        Self {
            timeline,
            ancestors: Vec::new(),
        }
    }

    /// Reads a history file: lines of timeline, position, reason.
    pub(crate) fn parse(timeline: u32, text: &str) -> Option<Self> {
        let mut ancestors = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.split_whitespace();
            ancestors.push((words.next()?.parse().ok()?, words.next()?.parse().ok()?));
        }
        Some(Self {
            timeline,
            ancestors,
        })
    }

    /// Whether `position` of `timeline` lies on this line.
    pub(crate) fn holds(&self, timeline: u32, position: Lsn) -> bool {
        timeline == self.timeline
            || self
                .ancestors
                .iter()
                .any(|(ancestor, branch)| *ancestor == timeline && position <= *branch)
    }

    /// The timelines on which segment `number` may lie, the newest first: as Postgres looks for it.
    pub(crate) fn timelines_of(
        &self,
        number: u64,
        segment_bytes: u64,
    ) -> impl Iterator<Item = u32> + '_ {
        let begin = move |index: usize| match index {
            0 => 0,
            later => self
                .ancestors
                .get(later - 1)
                .map_or(0, |(_, branch)| branch.0 / segment_bytes.max(1)),
        };
        let own = (begin(self.ancestors.len()), self.timeline);
        let older = self
            .ancestors
            .iter()
            .enumerate()
            .rev()
            .map(move |(index, (timeline, _))| (begin(index), *timeline));
        std::iter::once(own)
            .chain(older)
            .filter(move |(from, _)| number >= *from)
            .map(|(_, timeline)| timeline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: u64 = 16 * 1024 * 1024;

    #[test]
    fn names_and_positions_read_back() {
        let position: Lsn = "1/FF000028".parse().unwrap();
        let segment = Segment::at(3, position, BYTES);

        assert_eq!(segment.name(BYTES), "0000000300000001000000FF");
        assert_eq!(Segment::parse(&segment.name(BYTES), BYTES), Some(segment));
        assert_eq!(position.to_string(), "1/FF000028");
        assert_eq!(Segment::parse("00000003.history", BYTES), None);
    }

    #[test]
    fn a_line_holds_its_ancestors_up_to_where_it_branched_off() {
        let line = Lineage::parse(2, "1\t0/5000000\tno recovery target specified\n").unwrap();

        assert!(line.holds(1, Lsn(0x0500_0000)));
        assert!(!line.holds(1, Lsn(0x0500_0001)));
        assert!(line.holds(2, Lsn(0x0900_0000)));
        assert!(!line.holds(3, Lsn(1)));
        let where_to_look = |number| line.timelines_of(number, BYTES).collect::<Vec<_>>();
        assert_eq!(where_to_look(4), [1]);
        assert_eq!(where_to_look(5), [2, 1]);
    }
}
