//! The one thread that touches a spool's disk.
//!
//! It exists because a flush blocks, and because what arrives during one flush shares the next: commands queue up while the
//! disk is busy, and all appends among them become one write. When the disk has just failed, it is left alone for a moment
//! and whoever comes is refused at once.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::disk::Disk;
use super::events::SpoolEvents;
use super::{AppendError, Fill, Incident, NewRecord, Record, Spool};

mod line;

use line::Line;

/// How many commands besides appends wait for the disk at most.
const OTHERS_MAX: usize = 64;
/// How many bytes become one write at most, if they come in several appends.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// How long a disk that has just failed is left alone. Space that returns is noticed after that.
const LEFT_ALONE: Duration = Duration::from_millis(250);

/// Why nothing was appended.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Refusal {
    /// It is full.
    #[error("the spool is full")]
    Full,
    /// Its disk failed.
    #[error("the spool's disk failed: {0}")]
    Disk(String),
    /// More wait for it than may, or it would not be done in time.
    #[error("the spool's disk is behind")]
    Behind,
    /// The thread has ended.
    #[error("the spool is closed")]
    Closed,
}

/// What was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    /// The place behind everything that was flushed with it.
    pub(crate) up_to: u64,
}

/// Records to be replayed, or the news that there are none.
#[derive(Debug)]
pub(crate) struct Peeked {
    pub(crate) records: Vec<Record>,
    /// The place up to which the spool is empty, if it is.
    pub(crate) emptied_up_to: Option<u64>,
}

/// What is known of a spool, for health pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpoolState {
    /// How full it is.
    pub fill: Fill,
    /// The most bytes that it holds.
    pub capacity_bytes: u64,
    /// How many of its files were kept for people since this process started.
    pub quarantined: u64,
    /// When and why the latest append was refused; none when it was not.
    pub trouble: Option<(Instant, String)>,
}

impl SpoolState {
    /// Why the latest append was refused, if that is not longer ago than this.
    #[must_use]
    pub fn trouble_within(&self, recently: Duration) -> Option<&str> {
        let (at, reason) = self.trouble.as_ref()?;
        (at.elapsed() <= recently).then_some(reason.as_str())
    }
}

/// Whose spool it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This edge's own.
    Me,
    /// That of an edge that is gone.
    Another,
}

enum Command {
    Append(Append),
    Peek {
        records_max: usize,
        bytes_max: usize,
        answer: oneshot::Sender<io::Result<Peeked>>,
    },
    Advance {
        up_to: u64,
        keep: Vec<u64>,
        answer: oneshot::Sender<Option<u64>>,
    },
    Stop,
}

struct Append {
    records: Vec<NewRecord>,
    answer: oneshot::Sender<Result<Kept, Refusal>>,
}

/// Talks to the thread. Cheap to clone; the thread ends, and the disk is let go, when the last one is gone.
#[derive(Clone)]
pub(crate) struct Keeper {
    commands: mpsc::Sender<Command>,
    state: Arc<Mutex<SpoolState>>,
    line: Arc<Mutex<Line>>,
}

impl Keeper {
    /// Gives the spool to a thread of its own. Only the spool of this edge itself shows on the gauges.
    pub(crate) fn start<D: Disk + 'static>(
        spool: Spool<D>,
        owner: Owner,
        waiting_max: usize,
        tasks: &TaskTracker,
    ) -> Self {
        // Whoever was let into the line is in the channel at once, or would miss the next flush.
        let (commands, waiting) = mpsc::channel(waiting_max.saturating_add(OTHERS_MAX));
        let line = Arc::new(Mutex::new(Line::new(waiting_max)));
        let state = Arc::new(Mutex::new(SpoolState {
            capacity_bytes: spool.limits().bytes_max,
            ..SpoolState::default()
        }));
        let thread = Thread {
            events: SpoolEvents::resolve(spool.limits().bytes_max, owner),
            spool,
            state: Arc::clone(&state),
            line: Arc::clone(&line),
            failed: None,
        };
        thread.report();
        tasks.spawn_blocking(move || thread.run(waiting));
        Self {
            commands,
            state,
            line,
        }
    }

    /// Appends records durably. A disk that is behind refuses them at once, if they could not be flushed by `until`.
    ///
    /// # Cancel safety
    /// A dropped call may still append.
    pub(crate) async fn append(
        &self,
        records: Vec<NewRecord>,
        until: Instant,
    ) -> Result<Kept, Refusal> {
        let count = records.len();
        if !self.line.lock().joins(count, Instant::now(), until) {
            return Err(Refusal::Behind);
        }
        let (answer, answered) = oneshot::channel();
        let append = Command::Append(Append { records, answer });
        if self.commands.send(append).await.is_err() {
            return Err(Refusal::Closed);
        }
        answered.await.unwrap_or(Err(Refusal::Closed))
    }

    /// The next records to be replayed.
    pub(crate) async fn peek(&self, records_max: usize, bytes_max: usize) -> io::Result<Peeked> {
        let (answer, answered) = oneshot::channel();
        let peek = Command::Peek {
            records_max,
            bytes_max,
            answer,
        };
        let closed = || io::Error::other("the spool is closed");
        self.commands.send(peek).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Everything below `up_to` was replayed, but for the records to `keep`. Returns the place up to which the spool is
    /// empty, if it is.
    pub(crate) async fn advance(&self, up_to: u64, keep: Vec<u64>) -> Option<u64> {
        let (answer, answered) = oneshot::channel();
        let advance = Command::Advance {
            up_to,
            keep,
            answer,
        };
        self.commands.send(advance).await.ok()?;
        answered.await.ok()?
    }

    /// Ends the thread when it is done with what it was given before.
    pub(crate) async fn stop(&self) {
        // One that has ended is what was asked for.
        drop(self.commands.send(Command::Stop).await);
    }

    /// What is known of the spool now.
    pub(crate) fn state(&self) -> SpoolState {
        self.state.lock().clone()
    }
}

struct Thread<D> {
    spool: Spool<D>,
    events: SpoolEvents,
    state: Arc<Mutex<SpoolState>>,
    line: Arc<Mutex<Line>>,
    failed: Option<(Instant, Refusal)>,
}

impl<D: Disk> Thread<D> {
    fn run(mut self, mut waiting: mpsc::Receiver<Command>) {
        let mut behind = None;
        while let Some(command) = behind.take().or_else(|| waiting.blocking_recv()) {
            match command {
                Command::Append(first) => {
                    let (group, next) = gather(first, &mut waiting);
                    behind = next;
                    self.append(group);
                }
                Command::Peek {
                    records_max,
                    bytes_max,
                    answer,
                } => {
                    let peeked = self.spool.peek(records_max, bytes_max);
                    let peeked = peeked.map(|records| Peeked {
                        records,
                        emptied_up_to: self.spool.emptied_up_to(),
                    });
                    // Whoever has gone asks again, or nobody does.
                    drop(answer.send(peeked));
                }
                Command::Advance {
                    up_to,
                    keep,
                    answer,
                } => drop(answer.send(self.advance(up_to, keep))),
                Command::Stop => waiting.close(),
            }
            self.tell();
        }
    }

    /// One write, one flush, all receipts.
    fn append(&mut self, group: Vec<Append>) {
        let count = group.iter().map(|append| append.records.len()).sum();
        self.line.lock().flush_begins(Instant::now());
        let answer = self.append_all(&group);
        self.line.lock().flush_ended(count, Instant::now());
        for append in group {
            // Whoever has gone hears nothing; what was appended is replayed all the same.
            drop(append.answer.send(answer.clone()));
        }
    }

    fn append_all(&mut self, group: &[Append]) -> Result<Kept, Refusal> {
        if let Some((since, refusal)) = &self.failed
            && since.elapsed() < LEFT_ALONE
        {
            return Err(refusal.clone());
        }
        let records: Vec<NewRecord> = group
            .iter()
            .flat_map(|append| append.records.iter().cloned())
            .collect();
        let began = Instant::now();
        let appended = self.spool.append(&records);
        self.events.flushed(began.elapsed(), appended.is_ok());
        let answer = appended
            .map(|appended| Kept {
                up_to: appended.up_to,
            })
            .map_err(|error| match error {
                AppendError::Full => Refusal::Full,
                AppendError::Disk(error) => Refusal::Disk(error.to_string()),
            });
        self.failed = answer
            .as_ref()
            .err()
            .map(|refusal| (Instant::now(), refusal.clone()));
        answer
    }

    fn advance(&mut self, up_to: u64, keep: Vec<u64>) -> Option<u64> {
        for sequence in keep {
            self.spool.keep(sequence);
            self.events.kept();
            self.state.lock().quarantined += 1;
        }
        if let Err(error) = self.spool.advance(up_to) {
            tracing::warn!(name: "spool.offset_not_written", error = %error, "What was replayed could not be noted; after a crash some of it is replayed again and absorbed");
        }
        self.spool.emptied_up_to()
    }

    /// Tells what was found, and how full the spool is.
    fn tell(&mut self) {
        for incident in self.spool.take_incidents() {
            self.events.met(&incident);
            if matches!(incident, Incident::Damaged { .. }) {
                self.state.lock().quarantined += 1;
            }
        }
        self.report();
    }

    fn report(&self) {
        let fill = self.spool.fill_level();
        self.events.filled(&fill);
        let mut state = self.state.lock();
        state.fill = fill;
        state.trouble = self
            .failed
            .as_ref()
            .map(|(at, refusal)| (*at, refusal.to_string()));
    }
}

/// The appends that wait behind the first one; and the first command that is something else.
fn gather(first: Append, waiting: &mut mpsc::Receiver<Command>) -> (Vec<Append>, Option<Command>) {
    let size = |append: &Append| -> usize {
        append
            .records
            .iter()
            .map(|record| record.payload.len())
            .sum()
    };
    let mut bytes = size(&first);
    let mut group = vec![first];
    while bytes < GROUP_BYTES_MAX {
        match waiting.try_recv() {
            Ok(Command::Append(append)) => {
                bytes += size(&append);
                group.push(append);
            }
            Ok(other) => return (group, Some(other)),
            Err(_) => break,
        }
    }
    (group, None)
}

#[cfg(test)]
mod tests;
