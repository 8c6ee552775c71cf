//! The stored queue, as workers use it: claim, settle, take over, release, promote.
//!
//! Every statement here is a batch: arrays go in, one plan runs, rows come out (laws L5 and L6). Who owns what and what
//! runs next is decided by `membership` and `mailboxes`; this file's folder only makes their decisions durable.

mod claim;
mod hold;
mod promote;
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
use crate::message::MessageId;
use crate::ownership::WorkerId;
use crate::partition::{Key, Partition, Token};
use crate::wake::Bell;

use self::claim::OpenClaims;

/// What to claim: messages of these partitions that are not in hand, not held and not excluded.
#[derive(Debug, Clone, Default)]
pub struct ClaimRequest<'a> {
    /// From which partitions, and at most how many from each.
    pub partitions: &'a [PartitionClaim],
    /// The most messages in total. The most urgent come first, then the oldest.
    pub total_max: usize,
    /// The messages that are in hand already.
    pub in_hand: &'a [MessageId],
    /// Keys to leave out: held ones, and those with enough in hand.
    pub without_keys: &'a [Key],
    /// Messages to bring although their key is left out: the heads that hold them.
    pub even_so: &'a [MessageId],
    /// Look from the beginning instead of from the low-water mark: the net under everything, every few seconds.
    pub sweep: bool,
}

/// One partition of a [`ClaimRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionClaim {
    /// Which one.
    pub partition: Partition,
    /// The ownership under which it is claimed.
    pub token: Token,
    /// At most so many messages.
    pub messages_max: u16,
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
    /// The messages that had been begun by an earlier owner and not settled; each counts one attempt more now.
    pub interrupted: Vec<MessageId>,
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
