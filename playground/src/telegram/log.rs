//! What the stand-in received: one line for every call of a bot, with the status it was answered.
//!
//! Tests count with it (lost, doubled, refused). It is a ring with a budget in bytes and in lines, so a long load test cannot fill the memory; the counts
//! by method and status are kept for ever.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

/// Lines kept, whatever their size.
const LINES_MAX: usize = 200_000;

/// What a line costs besides its text, roughly.
const LINE_BYTES: usize = 320;

/// One call of a bot.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    /// Counts up from 1 over all bots; ask for `after=` the last one seen.
    pub(crate) seq: u64,
    /// RFC 3339, UTC.
    pub(crate) at: String,
    /// The same moment in milliseconds since 1970.
    pub(crate) at_ms: i64,
    pub(crate) bot: i64,
    pub(crate) method: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chat_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// The status it was answered.
    pub(crate) status: u16,
    /// The message it made or changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<u32>,
    /// The work was done, but a fault kept the answer from the caller.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) answer_lost: bool,
}

impl Line {
    fn bytes(&self) -> usize {
        LINE_BYTES
            + self.text.as_ref().map_or(0, String::len)
            + self.error.as_ref().map_or(0, String::len)
    }
}

/// Which lines a reader wants.
#[derive(Debug, Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) bot: Option<i64>,
    pub(crate) chat_id: Option<i64>,
    pub(crate) method: Option<&'a str>,
    pub(crate) after: u64,
    pub(crate) limit: usize,
}

/// The ring.
pub(crate) struct Log {
    lines: VecDeque<Line>,
    bytes: usize,
    bytes_max: usize,
    next_seq: u64,
    counts: BTreeMap<(String, u16), u64>,
}

impl Log {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            bytes: 0,
            bytes_max,
            next_seq: 1,
            counts: BTreeMap::new(),
        }
    }

    /// Adds a line; its `seq` is given here.
    pub(crate) fn push(&mut self, mut line: Line) {
        line.seq = self.next_seq;
        self.next_seq += 1;
        *self
            .counts
            .entry((line.method.clone(), line.status))
            .or_default() += 1;
        self.bytes += line.bytes();
        self.lines.push_back(line);
        while self.bytes > self.bytes_max || self.lines.len() > LINES_MAX {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes();
        }
    }

    /// The wanted lines, oldest first.
    pub(crate) fn read(&self, wanted: &Wanted<'_>) -> Vec<Line> {
        let fits = |line: &&Line| {
            line.seq > wanted.after
                && wanted.bot.is_none_or(|bot| line.bot == bot)
                && wanted
                    .chat_id
                    .is_none_or(|chat_id| line.chat_id == Some(chat_id))
                && wanted
                    .method
                    .is_none_or(|method| line.method.eq_ignore_ascii_case(method))
        };
        self.lines
            .iter()
            .filter(fits)
            .take(wanted.limit)
            .cloned()
            .collect()
    }

    /// How often each method was answered with each status since the start or the last [`Self::clear`].
    pub(crate) fn counts(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let mut by_method: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for ((method, status), count) in &self.counts {
            by_method
                .entry(method.clone())
                .or_default()
                .insert(status.to_string(), *count);
        }
        by_method
    }

    /// Forgets lines and counts; `seq` goes on.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.counts.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line {
            seq: 0,
            at: String::new(),
            at_ms: 0,
            bot: 1,
            method: "sendMessage".into(),
            chat_id: Some(7),
            text: Some(text.into()),
            status: 200,
            message_id: None,
            error: None,
            retry_after: None,
            answer_lost: false,
        }
    }

    #[test]
    fn old_lines_give_way_but_the_counts_stay() {
        let mut log = Log::new(2_000);
        for _ in 0..50 {
            log.push(line("a text of some length"));
        }

        let kept = log.read(&Wanted {
            limit: 100,
            ..Wanted::default()
        });
        assert!(kept.len() < 10);
        assert_eq!(kept.last().map(|line| line.seq), Some(50));
        assert_eq!(log.counts()["sendMessage"]["200"], 50);
    }
}
