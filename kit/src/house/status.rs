//! How the house is, and the lines in which a chat and a terminal say it.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

use super::{
    columns::{break_words, wrap},
    span,
};
use crate::{Args, Language, Texts};

/// How the house is.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusReport {
    /// The queue at one glance; `None` when Postgres does not answer.
    pub queue: Option<QueueGlance>,
    /// What the house leans on, in lines: checks in one inner list share a line where they fit.
    pub checks: Vec<Vec<Check>>,
    /// The version, such as `0.1.0`.
    pub version: String,
    /// The revision it was built from, seven characters.
    pub revision: String,
    /// How long this process has been up.
    pub up: Duration,
    /// When the report was made.
    pub at: Timestamp,
}

/// The queue at one glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueGlance {
    /// Messages that wait for a worker.
    pub waiting: u64,
    /// How long the oldest of them has waited.
    pub oldest: Option<Duration>,
    /// Dead letters.
    pub dead: u64,
}

/// One thing that the house leans on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name: `Postgres`, `Model`.
    pub name: String,
    /// What it answered.
    pub state: CheckState,
    /// How many messages it holds back for us, where it can say so.
    pub pending: Option<u64>,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckState {
    /// It answered.
    Up {
        /// After how long.
        latency: Duration,
    },
    /// It answered that it cannot work, or refused.
    Down {
        /// Why, in a few words.
        reason: String,
    },
    /// It did not answer.
    NoAnswer {
        /// How long we waited.
        within: Duration,
    },
    /// Nobody asked for it. Never the same as down.
    NotConfigured,
}

/// The first line of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong.
    Working,
    /// Something that the house leans on is down, but people are answered.
    Degraded,
    /// People are not answered.
    Down,
}

impl StatusReport {
    /// Whether people are answered.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.queue, self.failing().next()) {
            (None, _) => Verdict::Down,
            (Some(_), Some(_)) => Verdict::Degraded,
            (Some(_), None) => Verdict::Working,
        }
    }

    fn failing(&self) -> impl Iterator<Item = &Check> {
        self.checks
            .iter()
            .flatten()
            .filter(|check| match check.state {
                CheckState::Down { .. } | CheckState::NoAnswer { .. } => true,
                CheckState::Up { .. } | CheckState::NotConfigured => false,
            })
    }

    /// The lines of `/status` and of `sallyport status`: the verdict first, none longer than 34 columns.
    #[must_use]
    pub fn lines(&self, texts: &Texts, language: Language) -> Vec<String> {
        let words = Words { texts, language };
        let mut lines = break_words(&words.verdict(self));
        if let Some(queue) = &self.queue {
            lines.extend(wrap(&words.queue(queue)));
        }
        for group in &self.checks {
            let facts: Vec<String> = group.iter().map(|check| words.check(check)).collect();
            lines.extend(wrap(&facts));
        }
        lines.extend(wrap(&words.version(self)));
        lines
    }
}

/// The words of one report.
struct Words<'a> {
    texts: &'a Texts,
    language: Language,
}

impl Words<'_> {
    fn say(&self, id: &str, args: &Args<'_>) -> String {
        self.texts.get(self.language, id, args)
    }

    fn span(&self, span: Duration) -> String {
        span::say(span, self.texts, self.language)
    }

    fn verdict(&self, report: &StatusReport) -> String {
        let waiting = report.queue.map_or(0, |queue| queue.waiting);
        let failing: Vec<&Check> = report.failing().collect();
        match (report.verdict(), failing.as_slice()) {
            (Verdict::Down, _) => self.say("status-down", &[]),
            (Verdict::Working, _) => self.say("status-working", &[("waiting", waiting.into())]),
            (Verdict::Degraded, [one]) => {
                self.say("status-degraded", &[("name", (&one.name).into())])
            }
            (Verdict::Degraded, several) => {
                let count = u64::try_from(several.len()).unwrap_or(u64::MAX);
                self.say("status-degraded-several", &[("count", count.into())])
            }
        }
    }

    fn queue(&self, queue: &QueueGlance) -> [String; 3] {
        let oldest = queue
            .oldest
            .map_or_else(|| "–".to_owned(), |oldest| self.span(oldest));
        let dead = if queue.dead == 0 {
            "status-dead"
        } else {
            "status-dead-see"
        };
        [
            self.say("status-queue", &[("waiting", queue.waiting.into())]),
            self.say("status-oldest", &[("span", oldest.into())]),
            self.say(dead, &[("dead", queue.dead.into())]),
        ]
    }

    fn check(&self, check: &Check) -> String {
        let name = ("name", (&check.name).into());
        let state = match &check.state {
            CheckState::Up { latency } => {
                self.say("status-up", &[name, ("span", self.span(*latency).into())])
            }
            CheckState::Down { reason } => {
                self.say("status-check-down", &[name, ("reason", reason.into())])
            }
            CheckState::NoAnswer { within } => self.say(
                "status-no-answer",
                &[name, ("span", self.span(*within).into())],
            ),
            CheckState::NotConfigured => self.say("status-not-configured", &[name]),
        };
        match check.pending {
            Some(pending) => format!(
                "{state}, {}",
                self.say("status-pending", &[("pending", pending.into())])
            ),
            None => state,
        }
    }

    fn version(&self, report: &StatusReport) -> [String; 3] {
        let version = [
            ("version", (&report.version).into()),
            ("revision", (&report.revision).into()),
        ];
        [
            self.say("status-version", &version),
            self.say("status-up-since", &[("span", self.span(report.up).into())]),
            report
                .at
                .to_zoned(TimeZone::UTC)
                .strftime("%H:%M:%S UTC")
                .to_string(),
        ]
    }
}

#[cfg(test)]
mod tests;
