//! The house service: what operators may ask about the house itself, and the one repair that a chat allows.
//!
//! The types say what is known; the words are in the texts, the layout in `status` and `story`. Where the numbers come
//! from is the business of `workers`.

mod columns;
mod dead;
mod lately;
mod span;
mod status;
mod story;

use async_trait::async_trait;
use jiff::Timestamp;

pub use dead::{DeadGroup, GroupRef, Replayed};
pub use lately::{DeadCount, Lately, PausedNow};
pub use status::{Check, CheckState, QueueGlance, StatusReport, Verdict};
pub use story::{Found, Story, StoryRow, StoryState};

use crate::{Failure, Person};

/// What operators may ask.
#[async_trait]
pub trait House: Send + Sync {
    /// How the house is. Every check has one second, all run side by side, and none can fail the report.
    async fn status(&self) -> StatusReport;

    /// The story behind a support code or trace id. Persons below operator find only what they caused themselves.
    ///
    /// # Errors
    /// A passing failure when the log cannot be read.
    async fn story(&self, reference: &str, asker: &Person) -> Result<Found, Failure>;

    /// Dead letters, grouped by kind and error, the newest group first.
    ///
    /// # Errors
    /// A passing failure when they cannot be read.
    async fn dead_letters(&self) -> Result<Vec<DeadGroup>, Failure>;

    /// What failed for good since then and was not replayed, and what is paused now.
    ///
    /// # Errors
    /// A passing failure when it cannot be read.
    async fn lately(&self, since: Timestamp) -> Result<Lately, Failure>;

    /// One group, as it is now; `None` when nothing is left of it.
    ///
    /// # Errors
    /// A passing failure when it cannot be read.
    async fn dead_group(&self, group: &GroupRef) -> Result<Option<DeadGroup>, Failure>;

    /// Puts a group's messages back on the queue, in their order. Twice is harmless: what was replayed is no longer dead.
    ///
    /// # Errors
    /// A passing failure when it could not be done; nothing was replayed then.
    async fn replay(&self, group: &GroupRef) -> Result<Replayed, Failure>;

    /// Puts the dead messages of one story back on the queue. Twice is harmless.
    ///
    /// # Errors
    /// A passing failure when it could not be done; nothing was replayed then.
    async fn replay_story(&self, reference: &str) -> Result<Replayed, Failure>;
}
