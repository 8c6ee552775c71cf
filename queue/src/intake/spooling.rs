//! The spool of this process, as all its intakes share it: one switch, one keeper, one place to wait for work.
//!
//! One per process and not one per intake, because law L3 speaks of an edge: while its spool holds anything, *all* its
//! accepts go there.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sallyport_telemetry::trace::SpanSink;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::message::NewMessage;
use crate::spool::{
    self, Disk, Folder, Keeper, NewRecord, Owner, Refusal, Route, Slots, Spool, SpoolState, Switch,
    Writer,
};

use super::record::Clocks;

/// How many bytes are appended at once at most; a batch of large messages is divided.
const APPEND_BYTES_MAX: usize = 4 << 20;

/// The spool of this process.
pub(crate) struct Spooling {
    pub(super) settings: spool::Settings,
    pub(super) clocks: Clocks,
    /// The threads that touch disks.
    threads: TaskTracker,
    /// Rung when something was appended.
    pub(super) filled: Notify,
    /// Rung when the switch has moved, for those who wait for it.
    moved: Notify,
    /// Where the traces of replays go.
    pub(super) sinks: OnceLock<Arc<dyn SpanSink>>,
    run: u64,
    /// The append lock of law L3.
    switch: Mutex<Switch>,
    keeper: OnceLock<Keeper>,
}

impl Spooling {
    /// The spool that the settings describe; none when they name no folder. Nothing is opened yet.
    pub(crate) fn new(settings: &spool::Settings) -> Option<Arc<Self>> {
        if settings.directory.as_os_str().is_empty() {
            return None;
        }
        let run = rand::random();
        Some(Arc::new(Self {
            settings: settings.clone(),
            clocks: Clocks::new(run),
            threads: TaskTracker::new(),
            filled: Notify::new(),
            moved: Notify::new(),
            sinks: OnceLock::new(),
            run,
            switch: Mutex::new(Switch::default()),
            keeper: OnceLock::new(),
        }))
    }

    /// Takes a slot and opens the spool in it, unless it is open.
    pub(crate) async fn open(&self) -> io::Result<()> {
        if self.keeper.get().is_some() {
            return Ok(());
        }
        let slots = self.slots();
        let folder = blocking(move || slots.take_free()).await?;
        let path = folder.path().to_owned();
        let spool = self.open_on(folder).await?;
        let fill = spool.fill_level();
        let unreplayed = spool.emptied_up_to().is_none().then(|| spool.up_to());
        spool::opened(&path, &fill);
        *self.switch.lock() = Switch::new(unreplayed);
        let keeper = self.keeper_of(spool, Owner::Me);
        drop(self.keeper.set(keeper));
        self.filled.notify_one();
        Ok(())
    }

    /// The spool of an edge that is gone and has left messages, if there is one.
    pub(super) async fn adopt(&self) -> io::Result<Option<Keeper>> {
        let slots = self.slots();
        let Some(folder) = blocking(move || slots.take_orphan()).await? else {
            return Ok(None);
        };
        let path = folder.path().to_owned();
        let spool = self.open_on(folder).await?;
        spool::adopted(&path, &spool.fill_level());
        Ok(Some(self.keeper_of(spool, Owner::Another)))
    }

    fn keeper_of(&self, spool: Spool<Folder>, owner: Owner) -> Keeper {
        Keeper::start(spool, owner, self.settings.waiting_max, &self.threads)
    }

    async fn open_on(&self, folder: Folder) -> io::Result<Spool<Folder>> {
        let (limits, run) = (self.settings.limits(), self.run);
        blocking(move || open_on(folder, limits, run)).await
    }

    fn slots(&self) -> Slots {
        Slots::new(&self.settings.directory)
    }

    /// The keeper, once the spool is open.
    pub(super) fn keeper(&self) -> Option<&Keeper> {
        self.keeper.get()
    }

    /// Whether a batch that comes now may go straight to Postgres. If not, its append has begun: the caller makes it with
    /// [`append_begun`](Self::append_begun).
    pub(super) async fn may_go_direct(&self) -> bool {
        self.when_moved(|switch| match switch.route() {
            Route::Direct => Some(true),
            Route::Spool => {
                switch.append_begins();
                Some(false)
            }
            Route::Wait => None,
        })
        .await
    }

    /// Whether the spool refuses while it holds messages, so that nothing may overtake them.
    pub(super) fn must_not_be_overtaken(&self) -> bool {
        self.switch.lock().holds()
    }

    /// Closes the way for the last batch, and waits until nothing is on its way to the disk.
    pub(super) async fn begin_return(&self) {
        self.switch.lock().return_begins();
        self.when_moved(|switch| switch.is_settled().then_some(()))
            .await;
    }

    /// Opens the way again, whichever it is now.
    pub(super) fn end_return(&self) {
        self.switch.lock().return_ends();
        self.moved.notify_waiters();
    }

    /// Asks the switch now, and again whenever it has moved, until there is an answer.
    async fn when_moved<T>(&self, ask: impl Fn(&mut Switch) -> Option<T>) -> T {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // Whoever moves the switch between the question and the wait must be heard.
            moved.as_mut().enable();
            let answer = ask(&mut self.switch.lock());
            match answer {
                Some(answer) => return answer,
                None => moved.await,
            }
        }
    }

    /// How long an accept waits for Postgres.
    pub(super) fn commit_deadline(&self) -> Duration {
        Duration::from_millis(self.settings.commit_deadline_ms)
    }

    /// Puts messages on the disk, in this order and by `until`, and says how many of them are there; the rest was refused. From
    /// the moment this is called everything else goes there, too.
    ///
    /// # Cancel safety
    /// Not cancel safe: dropped halfway, the switch would wait for ever. It runs on tasks that are never dropped.
    pub(super) async fn append(
        &self,
        messages: &[&NewMessage],
        until: Instant,
    ) -> (usize, Option<Refusal>) {
        let begin = |switch: &mut Switch| match switch.route() {
            Route::Direct | Route::Spool => {
                switch.append_begins();
                Some(())
            }
            Route::Wait => None,
        };
        self.when_moved(begin).await;
        self.append_begun(messages, until).await
    }

    /// The same for an append that has begun already.
    pub(super) async fn append_begun(
        &self,
        messages: &[&NewMessage],
        until: Instant,
    ) -> (usize, Option<Refusal>) {
        let (appended, up_to, refused) = self.write(messages, until).await;
        self.switch.lock().append_ended(up_to);
        self.moved.notify_waiters();
        self.filled.notify_one();
        (appended, refused)
    }

    async fn write(
        &self,
        messages: &[&NewMessage],
        until: Instant,
    ) -> (usize, Option<u64>, Option<Refusal>) {
        let Some(keeper) = self.keeper.get() else {
            return (0, None, Some(Refusal::Closed));
        };
        let records: Result<Vec<NewRecord>, _> = messages
            .iter()
            .map(|message| self.clocks.record(message))
            .collect();
        let records = match records {
            Ok(records) => records,
            Err(error) => return (0, None, Some(Refusal::Disk(error.to_string()))),
        };
        let (mut appended, mut up_to) = (0, None);
        for part in divided(records) {
            let count = part.len();
            match keeper.append(part, until).await {
                Ok(kept) => {
                    up_to = Some(kept.up_to);
                    appended += count;
                }
                Err(refusal) => return (appended, up_to, Some(refusal)),
            }
        }
        (appended, up_to, None)
    }

    /// A batch of this process's own spool was replayed.
    pub(super) fn replayed(&self, took: Duration, emptied_up_to: Option<u64>) {
        let is_slow = took > self.commit_deadline() / 2;
        self.switch.lock().replayed(is_slow, emptied_up_to);
    }

    /// This process's own spool was found empty.
    pub(super) fn emptied(&self, up_to: Option<u64>) {
        self.switch.lock().emptied(up_to);
    }

    /// What is known of the spool; none while it is not open.
    pub(crate) fn state(&self) -> Option<SpoolState> {
        self.keeper.get().map(Keeper::state)
    }

    /// Lets the disk finish what it was given, and lets it go. Whoever comes later is refused.
    pub(crate) async fn close(&self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.stop().await;
        }
        self.threads.close();
        self.threads.wait().await;
    }

    /// Where the traces of replays go from now on; only the first answer counts.
    pub(crate) fn keep_spans_with(&self, sinks: Arc<dyn SpanSink>) {
        drop(self.sinks.set(sinks));
    }
}

impl fmt::Debug for Spooling {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Spooling")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn open_on<D: Disk>(disk: D, limits: spool::Limits, run: u64) -> io::Result<Spool<D>> {
    let writer = Writer {
        run,
        salts: Box::new(rand::random),
    };
    Spool::open(disk, limits, writer)
}

/// Parts that are not too large for one append; at least one record each.
fn divided(records: Vec<NewRecord>) -> Vec<Vec<NewRecord>> {
    let mut parts: Vec<Vec<NewRecord>> = Vec::new();
    let mut bytes = 0;
    for record in records {
        bytes += record.payload.len();
        match parts.last_mut() {
            Some(part) if bytes <= APPEND_BYTES_MAX => part.push(record),
            _ => {
                bytes = record.payload.len();
                parts.push(vec![record]);
            }
        }
    }
    parts
}

/// Runs what blocks beside the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(io::Error::other(error)),
    }
}
