//! The durable queue: everything that must happen is a message in it, and Postgres holds it (design §1).
//!
//! It exists so that an event heard, a task to think about and a reply to say share one order, one set of retries, one
//! kind of dead letter and one trace. It keeps laws L1–L14 of the design as far as rows can keep them; running handlers
//! is for `workers`, connections and deadlines are for `stores/postgres`.
//!
//! It refuses to know what a message means: a kind is a word, a payload is bytes.

pub mod blame;
pub mod calendar;
mod limits;
pub mod low_water;
pub mod mailboxes;
pub mod membership;
pub mod ownership;
pub mod retry;
pub mod spool;

pub mod live;

mod message;
mod partition;
mod settlement;
mod unique;

mod batch;
mod error;
mod events;
mod fence;
mod ground;
mod pace;
mod rows;

mod control;
mod dead_letters;
mod gauges;
mod inspector;
mod intake;
mod janitor;
mod ledger;
mod queue;
mod replay;
mod schedules;
mod settings;
mod snapshots;
mod store;
mod stores;
mod wake;

pub use control::{
    CancelAnswer, CancelOrder, Control, Orders, OrdersWatch, Pause, Progress, Scope, WaitCause,
    Waiting,
};
pub use dead_letters::{DeadGroup, DeadLetter, DeadLetters};
pub use error::{AcceptError, OpenError, SettleError, StoreError};
pub use inspector::{
    AmbiguousMark, AttemptStory, HeldStory, Inspector, KindSummary, ListCursor, ListEntry,
    ListFilter, ListState, Listing, MessageStory, ParseListCursorError, ParseListStateError,
    RecentFilter, RecentTrace, State, Summary, WorkerSummary, clock,
};
pub use intake::Intake;
pub use janitor::{Janitor, Swept};
pub use ledger::{Audited, Ledger};
pub use limits::{Bound, Limit};
pub use message::{
    Accepted, ClaimId, ClaimRef, Claimed, ErrorNote, InvalidMessage, KIND_BYTES_MAX, Lane,
    MessageId, NewMessage, PayloadFormat, Priority, Receipt, TEXT_BYTES_MAX,
};
pub use partition::{Key, Partition, PartitionSet, Token};
pub use queue::Queue;
pub use replay::{
    Candidate, CandidateStanding, DryRun, REPLAY_IDS_MAX, REPLAY_PER_SECOND, REPLAY_PER_SECOND_MAX,
    Refusal, ReplayError, ReplayFilter, ReplayOrder, ReplayStory, Replays,
};
pub use schedules::{
    CronSet, CronStory, Declared, Declares, MISSED_MAX, Missed, NewCron, NewSchedule, Paused,
    Schedules, Ticked,
};
pub use settings::Settings;
pub use settlement::{Effects, EffectsError, HoldChange, Outcome, Settled, Settlement, Verdict};
pub use snapshots::SnapshotHolder;
pub use store::{
    Behind, BehindPage, ClaimRequest, HeldKey, InHand, Lanes, PartitionClaim, ProgressNote,
    Promoted, Room, RoomRequest, RoomsFound, Store, Taken, TakenOver,
};
pub use stores::Stores;
pub use unique::{Unique, UniqueMode};
pub use wake::Wakeups;
