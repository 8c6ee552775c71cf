//! Where the next page of a list begins, as a text that callers hand back.

use std::fmt;
use std::str::FromStr;

/// Where a list goes on. Its text is for callers to hand back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListCursor {
    /// Behind this row of what may run (not delayed), or of what is delayed.
    Live {
        /// Whether it is among the delayed ones.
        delayed: bool,
        /// The partition of the row.
        partition: i16,
        /// Its priority.
        priority: i16,
        /// Its number.
        id: i64,
    },
    /// Before this ending.
    Ended {
        /// When it ended, in microseconds.
        at: i64,
        /// Its number.
        id: i64,
    },
}

/// The text is no cursor of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be what an earlier page gave as next")]
pub struct ParseListCursorError;

impl fmt::Display for ListCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live {
                delayed,
                partition,
                priority,
                id,
            } => write!(
                formatter,
                "{}.{partition}.{priority}.{id}",
                u8::from(*delayed)
            ),
            Self::Ended { at, id } => write!(formatter, "e.{at}.{id}"),
        }
    }
}

impl FromStr for ListCursor {
    type Err = ParseListCursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('.').collect();
        let wrong = |_| ParseListCursorError;
        match *parts.as_slice() {
            ["e", at, id] => Ok(Self::Ended {
                at: at.parse().map_err(wrong)?,
                id: id.parse().map_err(wrong)?,
            }),
            [delayed @ ("0" | "1"), partition, priority, id] => Ok(Self::Live {
                delayed: delayed == "1",
                partition: partition.parse().map_err(wrong)?,
                priority: priority.parse().map_err(wrong)?,
                id: id.parse().map_err(wrong)?,
            }),
            _ => Err(ParseListCursorError),
        }
    }
}
