//! Bugs planted on purpose, each as a switch in the simulation's wiring: what the simulation does not find with these in, it
//! would not find in the product either.

/// What is wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    /// The edge answers before its disk has flushed.
    AckBeforeFsync,
    /// Settlements are not fenced by owner and token.
    NoFence,
    /// What comes out of a spool is put in without the unique pair.
    ReplayWithoutPair,
    /// A batch is numbered before it is known what an accept that was given up still stores.
    NumberedAtOnce,
    /// A new owner does not count what its predecessor had begun.
    TakeoverWithoutCounting,
    /// A mailbox lets the next message of a key run before the end of its predecessor is durable.
    SettleWithoutWaiting,
    /// A worker claims only behind the highest number it has seen.
    LastSeen,
    /// The edge goes back to Postgres while its spool still holds something.
    BackTooEarly,
    /// A worker takes in the holds of a takeover whose partition went away while it was under way.
    HoldsOfOthers,
}
