//! What the health page says. Its field names are read by dashboards, `sallyport status` and the playground's page.

use jiff::Timestamp;
use serde::Serialize;

use crate::Identity;

/// What is told of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has not reported yet.
    #[default]
    Unknown,
    /// It answers.
    Up,
    /// It does not.
    Down,
    /// Nobody asked for it.
    NotConfigured,
}

/// The whole process in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything answers.
    Ready,
    /// Something that is not needed is down.
    Degraded,
    /// Something that is needed has not reported yet.
    Starting,
    /// Something that is needed is down, or the runtime is stuck.
    NotReady,
    /// On its way out.
    Draining,
}

impl Verdict {
    /// Whether the process may be sent work.
    pub fn is_ready(self) -> bool {
        match self {
            Self::Ready | Self::Degraded => true,
            Self::Starting | Self::NotReady | Self::Draining => false,
        }
    }

    /// The word, as it is serialised.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Starting => "starting",
            Self::NotReady => "not_ready",
            Self::Draining => "draining",
        }
    }
}

/// One component on the health page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComponentStatus {
    /// Its name.
    pub name: String,
    /// What is told of it, after the flap guard.
    pub state: State,
    /// Whether readiness depends on it.
    pub needed: bool,
    /// How long its last answer took, in milliseconds, while it is up.
    pub latency_ms: Option<f64>,
    /// Why it is down, while it is.
    pub reason: Option<String>,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// When it last reported.
    pub checked: Option<Timestamp>,
}

/// The health page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// The whole in one word.
    pub status: Verdict,
    /// Whether the runtime runs.
    pub live: bool,
    /// Whether work may be sent.
    pub ready: bool,
    /// When this page was made.
    pub time: Timestamp,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Who is speaking.
    #[serde(flatten)]
    pub identity: Identity,
    /// The components, in the order in which they were added.
    pub components: Vec<ComponentStatus>,
}
