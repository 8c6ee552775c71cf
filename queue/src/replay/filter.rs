//! Which messages are replayed, and why some are not.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::message::MessageId;
use crate::settlement::Outcome;

/// Which messages; everything that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayFilter {
    /// These, at most a thousand.
    pub ids: Vec<MessageId>,
    /// Accepted since.
    pub from: Option<Timestamp>,
    /// Accepted until.
    pub until: Option<Timestamp>,
    /// Whose last error was of this kind.
    pub error_kind: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this bot.
    pub bot: Option<String>,
    /// Of this tenant.
    pub tenant: Option<String>,
    /// That ended like this, in the queue's word.
    pub outcome: Option<String>,
}

impl ReplayFilter {
    /// Whether it names nothing at all, which would be everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A message that a filter found.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its number.
    pub id: MessageId,
    /// What it is.
    pub kind: String,
    /// The version of its payload.
    pub kind_version: u16,
    /// Its bot.
    pub bot: String,
    /// Its tenant.
    pub tenant: String,
    /// Where it came from.
    pub source: String,
    /// Its key.
    pub key: String,
    /// Whom it concerns.
    pub subject: Option<String>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// How long its payload is.
    pub payload_bytes: u64,
    /// How it stands.
    pub standing: CandidateStanding,
    pub(super) day: Option<jiff::civil::Date>,
}

/// How a message stands that somebody wants to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CandidateStanding {
    /// It waits or runs.
    Live,
    /// It ended, and when.
    Ended(Outcome, Option<Timestamp>),
    /// It was replayed already, as this one.
    Replayed(MessageId),
    /// Nobody knows how it ended.
    Unknown,
}

/// Why a message is not replayed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// It still waits or runs: replaying would do it twice for sure. Forcing does not help; `queue retry` hurries it.
    StillLive,
    /// It is done already. Forcing helps.
    Done,
    /// Nobody handled it, on purpose. Forcing helps.
    Ignored,
    /// It was replayed already. Forcing helps.
    Replayed,
    /// Its person asked to be forgotten. Forcing does not help.
    Erased,
    /// Nobody knows how it ended. Forcing helps.
    Unknown,
}

impl Refusal {
    /// The reason for a person.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::StillLive => "still waits or runs; retry or cancel it instead",
            Self::Done => "is done already; force to do it again",
            Self::Ignored => "was ignored on purpose; force to hand it in again",
            Self::Replayed => "was replayed already; force to do it once more",
            Self::Erased => "was erased because its person asked to be forgotten",
            Self::Unknown => "nobody knows how it ended; force to do it again",
        }
    }
}

impl Candidate {
    /// Why it would not be replayed; `None` when it would.
    #[must_use]
    pub fn refusal(&self, forced: bool) -> Option<Refusal> {
        let refusal = match &self.standing {
            CandidateStanding::Live => return Some(Refusal::StillLive),
            CandidateStanding::Ended(Outcome::Erased, _) => return Some(Refusal::Erased),
            CandidateStanding::Ended(Outcome::Done, _) => Refusal::Done,
            CandidateStanding::Ended(Outcome::Ignored, _) => Refusal::Ignored,
            CandidateStanding::Replayed(_) => Refusal::Replayed,
            CandidateStanding::Unknown => Refusal::Unknown,
            CandidateStanding::Ended(Outcome::Dead | Outcome::Cancelled | Outcome::Expired, _) => {
                return None;
            }
        };
        (!forced).then_some(refusal)
    }
}
