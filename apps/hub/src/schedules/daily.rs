//! Every morning each owner hears what failed for good or is paused; in a good house, nothing.
//!
//! It only starts one task per owner, so that a chat that cannot be reached holds up no other, and days that were missed
//! together are one digest.

use sallyport_kit::{Ended, HouseContext, Missed, Outcome, Schedule};

use crate::tasks::{Digest, DigestDue};

/// Under this name one digest of an owner waits at most.
const DAILY: &str = "daily";

pub(crate) struct Daily;

impl Schedule for Daily {
    const NAME: &'static str = "daily";
    const CRON: &'static str = "0 9 * * *";
    const MISSED: Missed = Missed::Once;

    async fn run(&self, context: &HouseContext) -> Ended {
        let due = DigestDue::at(context.now());
        for owner in context.owners().await? {
            owner.once::<Digest>(DAILY, &due)?;
        }
        Ok(Outcome::Done)
    }
}
