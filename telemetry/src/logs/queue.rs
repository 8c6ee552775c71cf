//! The queue between those who log and the thread that writes. When it is full, the least severe line gives way.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tracing::Level;

/// Lines that wait at most.
pub const LINES_MAX: usize = 8192;
const SEVERITIES: usize = 5;

/// A bounded queue of rendered lines. One thread takes, any number put.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    written: Condvar,
    lines_max: usize,
}

#[derive(Debug, Default)]
struct State {
    /// One queue per severity, the least severe first; each line with its place in the order of all.
    lines: [VecDeque<(u64, String)>; SEVERITIES],
    waiting: usize,
    next: u64,
    /// The writer holds lines that it took and has not written yet.
    writing: bool,
    closed: bool,
}

impl Queue {
    pub(super) fn new(lines_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            written: Condvar::new(),
            lines_max,
        }
    }

    /// Puts a line in; returns false when this line or a less severe one was dropped for it. Never waits for the writer.
    pub(super) fn put(&self, level: Level, line: String) -> bool {
        let mut state = self.state.lock();
        let full = state.waiting >= self.lines_max;
        if state.closed || (full && !state.drop_below(rank(level))) {
            return false;
        }
        let place = state.next;
        state.next += 1;
        state.waiting += 1;
        if let Some(lines) = state.lines.get_mut(rank(level)) {
            lines.push_back((place, line));
        }
        drop(state);
        self.changed.notify_one();
        !full
    }

    /// Waits for lines and takes all of them, in the order in which they were put. `None` once the queue is closed and empty.
    pub(super) fn take(&self) -> Option<String> {
        let mut state = self.state.lock();
        state.writing = false;
        self.written.notify_all();
        while state.waiting == 0 {
            if state.closed {
                return None;
            }
            self.changed.wait(&mut state);
        }
        state.writing = true;
        Some(state.take_all())
    }

    /// Lines that wait.
    pub(super) fn len(&self) -> usize {
        self.state.lock().waiting
    }

    /// Takes no more lines, and waits until those that are queued are written. Returns the lines that were not, in time.
    pub(super) fn close(&self, within: Duration) -> usize {
        let deadline = Instant::now() + within;
        let mut state = self.state.lock();
        state.closed = true;
        self.changed.notify_all();
        while state.waiting > 0 || state.writing {
            if self.written.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        state.waiting
    }
}

impl State {
    /// Drops the oldest of the least severe lines, if it is less severe than this.
    fn drop_below(&mut self, rank: usize) -> bool {
        let Some(lines) = self
            .lines
            .iter_mut()
            .take(rank)
            .find(|lines| !lines.is_empty())
        else {
            return false;
        };
        lines.pop_front();
        self.waiting -= 1;
        true
    }

    fn take_all(&mut self) -> String {
        let mut all: Vec<(u64, String)> = self.lines.iter_mut().flat_map(std::mem::take).collect();
        all.sort_unstable_by_key(|(place, _)| *place);
        self.waiting = 0;
        all.into_iter().map(|(_, line)| line).collect()
    }
}

fn rank(level: Level) -> usize {
    match level {
        Level::TRACE => 0,
        Level::DEBUG => 1,
        Level::INFO => 2,
        Level::WARN => 3,
        Level::ERROR => 4,
    }
}
