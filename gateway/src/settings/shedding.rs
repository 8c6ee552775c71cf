//! What is turned away first when the house is slow, and how slow that is.
//!
//! It exists apart from the routes because a route says only how important it is; when that matters is one rule for all. What is
//! measured, and what is made of it, is for [`crate::shedding`].

use std::time::Duration;

use sallyport_sources::Source;
use serde::Deserialize;
use validator::{Validate, ValidationError};

use super::refuse;

/// As many as the queue lets wait (`queue.accept_waiting_max`), and as many connections as there may be.
const WAITING_MAX: u32 = 4_096;

/// How much is lost when a request is turned away. The less important goes first.
///
/// Where the queue has a word for it (`Priority`), it is the same word: there it says whose turn it is, here who comes in at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// Nobody waits, and whoever sends it does so again: bulk webhooks, crawlers, what a cache fetches by itself.
    Background = 0,
    /// A program waits.
    Normal = 1,
    /// A person waits.
    Interactive = 2,
    /// Never turned away, as health pages are not. A forward route of this importance is not measured either.
    Vital = 3,
}

impl Importance {
    /// Those that may be turned away, the first to go first.
    pub(crate) const TURNED_AWAY: [Self; 3] = [Self::Background, Self::Normal, Self::Interactive];

    /// As it stands in settings and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Background => "background",
            Self::Normal => "normal",
            Self::Interactive => "interactive",
            Self::Vital => "vital",
        }
    }

    /// Of what this source sends, where nobody says otherwise. Nothing is background by itself: some senders never send again (GitHub
    /// does not), and only an operator knows which hooks can do without.
    pub(crate) fn of_source(source: &Source) -> Self {
        match source {
            Source::Telegram | Source::Slack | Source::Discord(_) => Self::Interactive,
            Source::GitHub
            | Source::Stripe(_)
            | Source::StandardWebhooks(_)
            | Source::PagerDuty
            | Source::Alertmanager(_)
            | Source::Hmac(_) => Self::Normal,
        }
    }
}

/// When less important requests are turned away. Each edge judges by what it sees itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct SheddingSettings {
    /// Whether that is done at all.
    pub enabled: bool,
    /// How often it is judged: one class more is turned away after an interval in which nobody was quick, one less after four that
    /// were better.
    #[validate(range(min = 20, max = 10_000, message = "must be 20–10000 ms"))]
    pub interval_ms: u64,
    /// For webhooks: how long they wait until they are on disk.
    #[validate(nested)]
    pub accept: TargetSettings,
    /// For what is handed on: how long it waits for the head of an answer, for each upstream or group.
    #[validate(nested)]
    pub forward: TargetSettings,
}

impl Default for SheddingSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_ms: 500,
            // Until an accept takes longer than Postgres and, after `queue.spool.commit_deadline_ms` (600), the disk, a database that
            // is away or slow overloads nothing.
            accept: TargetSettings {
                background_ms: 800,
                normal_ms: 1_500,
                interactive_ms: 3_000,
                waiting_max: WAITING_MAX,
            },
            // An upstream that is slow by nature is measured by itself, so these are for those that are quick.
            forward: TargetSettings {
                background_ms: 2_000,
                normal_ms: 5_000,
                interactive_ms: 10_000,
                waiting_max: WAITING_MAX,
            },
        }
    }
}

/// How slow is too slow, and how many may wait. Given whole.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "rises"))]
pub struct TargetSettings {
    /// Background is turned away when nobody is quicker than this.
    #[validate(range(min = 10, max = 60_000, message = "must be 10–60000 ms"))]
    pub background_ms: u64,
    /// Normal is, too.
    #[validate(range(min = 10, max = 60_000, message = "must be 10–60000 ms"))]
    pub normal_ms: u64,
    /// Interactive is, too, if nearly as many wait as may.
    #[validate(range(min = 10, max = 60_000, message = "must be 10–60000 ms"))]
    pub interactive_ms: u64,
    /// The most that wait at a time. Background may take half of the places, normal three quarters.
    #[validate(range(min = 8, max = 1_000_000, message = "must be 8–1000000"))]
    pub waiting_max: u32,
}

impl TargetSettings {
    /// The target of each that may be turned away, in the order of [`Importance::TURNED_AWAY`].
    pub(crate) fn delays(&self) -> [Duration; 3] {
        [self.background_ms, self.normal_ms, self.interactive_ms].map(Duration::from_millis)
    }

    /// How many may wait when one of each comes, in the same order.
    pub(crate) fn rooms(&self) -> [u64; 3] {
        let all = u64::from(self.waiting_max);
        [all / 2, all / 4 * 3, all]
    }
}

fn rises(targets: &TargetSettings) -> Result<(), ValidationError> {
    if targets.background_ms <= targets.normal_ms && targets.normal_ms <= targets.interactive_ms {
        return Ok(());
    }
    Err(refuse(
        "order",
        "background_ms, normal_ms and interactive_ms must rise: the more important is turned away later",
    ))
}
