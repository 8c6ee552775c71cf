//! The story of a message in the words of a chat: rows that fit a phone, never the message's own text.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

use super::{
    columns::{COLUMNS, break_words, fit, width, wrap},
    span,
};
use crate::{Language, Texts};

/// Rows are indented by this many levels at most, or nothing is left of their names.
const INDENT_MAX: u16 = 6;

/// More rows than this are counted, not shown: a chat is no trace viewer.
const ROWS_MAX: usize = 30;

/// What was found under a support code.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// One story.
    Story(Box<Story>),
    /// Several traces share this code: their full ids.
    Several(Vec<String>),
    /// Nothing, or nothing that the asker may see.
    Nothing,
    /// It is older than what is kept.
    TooOld {
        /// How many days are kept.
        days: u16,
    },
}

/// One message's way through the house.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// The support code.
    pub code: String,
    /// The trace id, to copy.
    pub trace_id: String,
    /// How it ended.
    pub state: StoryState,
    /// When it was accepted.
    pub began: Timestamp,
    /// From there to its end; `None` while it goes on.
    pub took: Option<Duration>,
    /// How many attempts the message of it that needed most took.
    pub attempts: u16,
    /// Its way, in order.
    pub rows: Vec<StoryRow>,
    /// The last error.
    pub last_error: Option<String>,
    /// Whether a dead letter of it waits for a replay.
    pub can_replay: bool,
}

/// How a story ended, or stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoryState {
    /// Everything is done.
    Done,
    /// Something waits.
    Waiting,
    /// Something runs.
    Running,
    /// It failed for good.
    Dead,
    /// It was cancelled.
    Cancelled,
    /// It came too late.
    Expired,
    /// Nobody handles such a message.
    Ignored,
    /// Its content was erased.
    Erased,
}

impl StoryState {
    /// The name under which texts select by it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Ignored => "ignored",
            Self::Erased => "erased",
        }
    }
}

/// One step of a story.
#[derive(Clone, Debug, PartialEq)]
pub struct StoryRow {
    /// How deep it is nested; the root is 0.
    pub depth: u16,
    /// What it was, in the words of traces: `process telegram.update`, `chat fast`.
    pub name: String,
    /// How long it took; `None` while it runs, or when nobody knows.
    pub took: Option<Duration>,
    /// Whether it failed.
    pub failed: bool,
}

impl Story {
    /// The lines of `/trace`: the verdict, when and how often, the way, the last error; none longer than 34 columns.
    #[must_use]
    pub fn lines(&self, texts: &Texts, language: Language) -> Vec<String> {
        let took = self
            .took
            .map_or_else(|| "–".to_owned(), |took| span::say(took, texts, language));
        let began = self
            .began
            .to_zoned(TimeZone::UTC)
            .strftime("%Y-%m-%d %H:%M:%S UTC")
            .to_string();
        let attempts = texts.get(
            language,
            "story-attempts",
            &[("count", self.attempts.into())],
        );
        let verdict = [("state", self.state.name().into()), ("span", took.into())];

        let mut lines = break_words(&texts.get(language, "story-verdict", &verdict));
        lines.extend(wrap(&[began, attempts]));
        lines.extend(
            self.rows
                .iter()
                .take(ROWS_MAX)
                .map(|row| row.line(texts, language)),
        );
        if let Some(more) = self
            .rows
            .len()
            .checked_sub(ROWS_MAX)
            .filter(|more| *more > 0)
        {
            let count = u64::try_from(more).unwrap_or(u64::MAX);
            lines.push(fit(
                &texts.get(language, "story-more", &[("count", count.into())]),
                COLUMNS,
            ));
        }
        if let Some(error) = &self.last_error {
            lines.extend(break_words(&texts.get(
                language,
                "story-error",
                &[("error", error.into())],
            )));
        }
        lines
    }
}

impl StoryRow {
    /// Indented name, its time at the right, a cross when it failed.
    fn line(&self, texts: &Texts, language: Language) -> String {
        let took = self
            .took
            .map_or_else(|| "…".to_owned(), |took| span::say(took, texts, language));
        let end = if self.failed {
            format!(" {took} ✗")
        } else {
            format!(" {took}")
        };
        let indent = " ".repeat(usize::from(self.depth.min(INDENT_MAX)));
        let room = COLUMNS.saturating_sub(width(&indent) + width(&end));
        format!("{indent}{}{end}", fit(&self.name, room))
    }
}

#[cfg(test)]
mod tests;
