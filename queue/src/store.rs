//! The stored queue, as workers use it: claim, settle, take over, release, promote.
//!
//! Every statement here is a batch: arrays go in, one plan runs, rows come out (laws L5 and L6). Who owns what and what
//! runs next is decided by `membership` and `mailboxes`; this file's folder only makes their decisions durable.

mod alone;
mod behind;
mod claim;
mod hold;
mod obey;
mod progress;
mod promote;
mod room;
mod settle;
mod settle_with;
mod take_over;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sallyport_postgres::Pools;

use crate::events::StoreEvents;
use crate::low_water::LowWater;
use crate::mailboxes::Look;
use crate::message::{Claimed, Lane, MessageId, Priority};
use crate::ownership::WorkerId;
use crate::partition::{Key, Partition, PartitionSet, Token};
use crate::wake::Bell;

use self::claim::OpenClaims;

pub use self::progress::ProgressNote;
pub use self::room::{Room, RoomRequest, RoomsFound};

/// What to claim: messages that are not in hand.
#[derive(Debug, Clone, Default)]
pub struct ClaimRequest<'a> {
    /// From which partitions, how urgent, and at most how many of each.
    pub partitions: &'a [PartitionClaim],
    /// The messages that are in hand already.
    pub in_hand: &'a [InHand],
    /// The keys that may go on with what is behind, each with the ownership of its partition.
    pub looks: &'a [(Look, Token)],
    /// The partitions that may have messages behind: only there is looked whether a message would overtake one.
    pub watched: PartitionSet,
}

/// A message in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InHand {
    /// Its partition.
    pub partition: Partition,
    /// Its number.
    pub id: MessageId,
}

/// One partition and urgency of a [`ClaimRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionClaim {
    /// Which one.
    pub partition: Partition,
    /// The ownership under which it is claimed.
    pub token: Token,
    /// How urgent.
    pub priority: Priority,
    /// At most so many messages.
    pub messages_max: u16,
    /// Of which lanes.
    pub lanes: Lanes,
    /// Look from the beginning instead of from the low-water mark: the net under everything, every few seconds.
    pub sweep: bool,
}

/// Which lanes are claimed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lanes {
    /// All, beginning with the one after that at which the last claim had enough.
    InTurn,
    /// Only these, both ends included: those between lanes that have more than their share in hand.
    Between(Lane, Lane),
}

/// What a claim took, and what it found on the way.
#[derive(Debug, Default)]
pub struct Taken {
    /// Messages that were ready, in the order of urgency, then age.
    pub messages: Vec<Claimed>,
    /// Messages that were behind, of the keys that were asked for; of each key in order.
    pub looked: Vec<Claimed>,
    /// The keys of which messages went behind with this claim, because earlier ones of theirs are behind.
    pub behind: Vec<Behind>,
    /// Where there may be more.
    pub more: Vec<(Partition, Priority)>,
}

/// A key with messages behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The key.
    pub key: Key,
    /// Its partition.
    pub partition: Partition,
    /// The lowest number that is known to be behind.
    pub from: MessageId,
}

/// Some of the keys that have messages behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BehindPage {
    /// The keys.
    pub keys: Vec<Behind>,
    /// The partitions that have more of them, each with the key after which to go on.
    pub more: Vec<(Partition, Option<Key>)>,
}

/// A key that waits for its failing head (law L9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldKey {
    /// The key's partition.
    pub partition: Partition,
    /// The key.
    pub key: Key,
    /// The message it waits for.
    pub head: MessageId,
    /// How long it still waits; `None` when it is parked.
    pub remaining: Option<Duration>,
}

/// What was found when partitions changed hands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// The messages that had been begun by an earlier owner and not settled; each counts one attempt more now, up to the
    /// bound of a crowd.
    pub interrupted: Vec<MessageId>,
    /// Those of them that ran alone, as suspects: they count without that bound.
    pub alone: Vec<MessageId>,
    /// Those of them that may have left the house; each has an ambiguous mark now.
    pub ambiguous: Vec<MessageId>,
    /// The keys of these partitions that are held.
    pub held: Vec<HeldKey>,
}

/// What became of the delayed messages that were due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Promoted {
    /// How many became ready.
    pub promoted: usize,
    /// How long until the next one is due; `None` when nothing is delayed.
    pub next_due: Option<Duration>,
}

/// The stored queue in the hands of one worker. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pools: Pools,
    worker: WorkerId,
    shared: Arc<Shared>,
}

struct Shared {
    bell: Bell,
    events: StoreEvents,
    low_water: Mutex<LowWater>,
    open_claims: Mutex<OpenClaims>,
}

impl Store {
    pub(crate) fn new(pools: Pools, worker: WorkerId, bell: Bell) -> Self {
        let shared = Shared {
            bell,
            events: StoreEvents::resolve(),
            low_water: Mutex::new(LowWater::default()),
            open_claims: Mutex::new(OpenClaims::default()),
        };
        Self {
            pools,
            worker,
            shared: Arc::new(shared),
        }
    }

    /// As whom it claims and settles.
    #[must_use]
    pub fn worker(&self) -> &WorkerId {
        &self.worker
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Store")
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}
