//! Everything that can happen in a simulated house, and to whom.

use std::fmt;

use sallyport_queue::membership::decisions::{Beat, Look};
use sallyport_queue::{ClaimId, MessageId, Partition};

use crate::model::{Answer, Ask, Micros};

/// Somebody who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Actor {
    Client(usize),
    Edge(usize),
    Worker(usize),
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(index) => write!(formatter, "client {index}"),
            Self::Edge(index) => write!(formatter, "edge {index}"),
            Self::Worker(index) => write!(formatter, "worker {index}"),
        }
    }
}

/// Why a statement has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Postgres is away: it was not even heard.
    Refused,
    /// The connection broke; nobody knows.
    Lost,
    /// Nobody answered in time; nobody knows.
    Late,
}

/// What happens next.
#[derive(Debug)]
pub(crate) enum Event {
    /// A statement reaches Postgres.
    ToServer(u64, Box<Ask>),
    /// A statement that is under way commits.
    Commit(u64),
    /// A statement takes too long for Postgres.
    TooLong(u64),
    Reply(u64, Result<Answer, Failure>),
    ConnectionLost(u64),
    Deadline(u64),
    Timer(Actor, u32, Timer),
    ToEdge(usize, Envelope),
    ToClient {
        client: usize,
        origin: u32,
        accepted: bool,
    },
    /// A send reaches the provider.
    Sent {
        worker: usize,
        generation: u32,
        id: MessageId,
        claim: ClaimId,
    },
    Woken(usize, Partition),
    Nemesis,
    FaultsEnd,
    ServerUp,
    DiskHeals(usize),
    EdgeUp(usize),
    WorkerUp(usize),
}

/// A delivery on its way to an edge.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    pub(crate) client: usize,
    pub(crate) origin: u32,
}

/// What an actor told itself to do later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A client sends the next, or the same again.
    Next,
    Again(u32),
    /// An edge's append is done.
    Append,
    Replay,
    /// A heart beats.
    Beat,
    /// A driver looks around.
    Look(u64),
    HandlerEnds(MessageId, ClaimId),
    SendLeaves(MessageId, ClaimId),
    SendAnswered(MessageId, ClaimId),
    SettleAgain(u64),
    TakeOverAgain(u64),
    ReleaseAgain(u64),
}

/// For what a statement was sent.
#[derive(Debug, Clone)]
pub(crate) enum Tag {
    Commit(u64),
    Replay { up_to: u64, sent: Micros },
    Beat(u64),
    Workers(u64),
    Leases(u64, Look, Vec<Beat>),
    Take(u64),
    ReleaseBeforeClaim(u64),
    BehindKeys(u64),
    Claim(u64),
    Promote,
    Settle(u64),
    TakeOver(u64),
    ReleaseMessages(u64),
    ReleaseLeases,
    StrikeOff,
    Nothing,
}

impl Tag {
    /// What was asked, in a word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Commit(_) => "a commit",
            Self::Replay { .. } => "a replay",
            Self::Beat(_) | Self::Workers(_) | Self::Leases(..) | Self::Take(_) => "a heartbeat",
            Self::ReleaseBeforeClaim(_) | Self::ReleaseMessages(_) => "a release",
            Self::BehindKeys(_) => "a look behind",
            Self::Claim(_) => "a claim",
            Self::Promote => "a promotion",
            Self::Settle(_) => "a settlement",
            Self::TakeOver(_) => "a takeover",
            Self::ReleaseLeases => "a release of leases",
            Self::StrikeOff => "a farewell",
            Self::Nothing => "a note",
        }
    }
}
