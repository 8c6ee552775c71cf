//! The driver: one task that keeps all of the pool's books and decides what happens next.
//!
//! Each turn takes in what was reported, then starts what may start: handlers, settlements, a claim, a handover. It
//! never waits for the database; whatever talks to it is a task that reports back.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sallyport_queue::mailboxes::Mailboxes;
use sallyport_queue::membership::{Holdings, Membership};
use sallyport_queue::{
    ClaimRef, Claimed, Effects, MessageId, OrdersWatch, PartitionSet, Promoted, Store, Wakeups,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attempt::Finished;
use super::kinds::Kinds;
use super::meters::Meters;
use super::partitions::Partitions;
use super::settings::PoolSettings;
use super::tale::Teller;

mod claiming;
mod hands;
mod moving;
mod room;
mod running;
mod settling;
mod steering;
mod suspects;
mod under_way;

use claiming::Claiming;
use room::Rooms;
use settling::{Batch, Pending};
use steering::{Out, Steering};
use suspects::Suspects;
use under_way::UnderWay;

/// What a drain may take beyond its deadline, to settle and release.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(5);

/// How many finished attempts the driver takes in at one turn.
const TAKEN_IN_MAX: usize = 1_024;
/// Reports of database tasks that may wait; there are never more of these tasks than a handful and the settlements with
/// effects.
const REPORTS_MAX: usize = 256;

/// What all tasks of one pool share.
pub(super) struct House {
    pub(super) store: Store,
    pub(super) membership: Arc<Membership>,
    pub(super) kinds: Kinds,
    pub(super) meters: Meters,
    pub(super) tale: Teller,
    pub(super) settings: PoolSettings,
    /// Some attempt said something about its progress.
    pub(super) progress: Arc<AtomicBool>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

/// What the handle asks of the driver.
#[derive(Debug)]
pub(super) enum Command {
    Pause,
    Resume,
    Drain {
        until: Instant,
        done: oneshot::Sender<()>,
    },
}

/// What a database task reports.
enum Report {
    Claimed(Box<claiming::Outcome>),
    Promoted(Promoted),
    Settled(Batch),
    /// A settlement with effects failed; its effects are gone, and what is left is to be settled as a failure.
    EffectsFailed(Box<Finished>),
    TakenOver(moving::Arrival),
    Released,
    Obeyed(steering::Obeyed),
    Noted,
    Room(room::Answered),
    RoomLeft,
    SetAside(room::SetAside),
    Resumed(Vec<MessageId>),
    Called,
    Charged(Box<suspects::Charged>),
}

/// The pool's books.
pub(super) struct Driver {
    house: Arc<House>,
    mailboxes: Mailboxes<Arc<Claimed>>,
    partitions: Partitions,
    claiming: Claiming,
    /// Finished attempts that wait for the next batch.
    pending: Vec<Pending>,
    /// Finished attempts with effects that wait for their own transaction.
    with_effects: VecDeque<(Pending, Effects)>,
    batches: usize,
    effects: usize,
    /// Attempts that run.
    running: usize,
    /// Messages that were handed out by the mailboxes and are not settled yet.
    out: HashMap<MessageId, Out>,
    steering: Steering,
    room: Rooms,
    suspects: Suspects,
    /// Messages to be given back uncounted.
    give_back: Vec<ClaimRef>,
    /// Messages to be put behind: their keys cannot go on with them now.
    put_behind: Vec<ClaimRef>,
    releasing: usize,
    arriving: usize,
    paused: bool,
    draining: Option<oneshot::Sender<()>>,
    under_way: Mutex<UnderWay>,
    finished: mpsc::Sender<Finished>,
    finished_in: mpsc::Receiver<Finished>,
    reports: mpsc::Sender<Report>,
    reports_in: mpsc::Receiver<Report>,
    holdings: watch::Receiver<Arc<Holdings>>,
    wakeups: Wakeups,
    orders: mpsc::Receiver<Command>,
}

impl Driver {
    pub(super) fn new(
        house: Arc<House>,
        wakeups: Wakeups,
        standing: OrdersWatch,
        orders: mpsc::Receiver<Command>,
    ) -> Self {
        let settings = &house.settings;
        let (finished, finished_in) = mpsc::channel(settings.slots.get());
        let (reports, reports_in) = mpsc::channel(REPORTS_MAX);
        let mut holdings = house.membership.changes();
        holdings.mark_changed();
        Self {
            mailboxes: Mailboxes::new(settings.in_hand_per_key_max).with_slots(settings.slots),
            partitions: Partitions::new(house.stop.child_token(), settings.handover()),
            claiming: Claiming::new(settings.in_hand_max.get(), Instant::now()),
            pending: Vec::new(),
            with_effects: VecDeque::new(),
            batches: 0,
            effects: 0,
            running: 0,
            out: HashMap::new(),
            steering: Steering::new(standing, Instant::now()),
            room: Rooms::default(),
            suspects: Suspects::default(),
            give_back: Vec::new(),
            put_behind: Vec::new(),
            releasing: 0,
            arriving: 0,
            paused: settings.paused,
            draining: None,
            under_way: Mutex::new(UnderWay::new(Instant::now())),
            finished,
            finished_in,
            reports,
            reports_in,
            holdings,
            wakeups,
            orders,
            house,
        }
    }

    /// Works until a drain is complete or the pool is stopped hard.
    pub(super) async fn run(mut self) {
        let mut taken_in = Vec::with_capacity(TAKEN_IN_MAX);
        loop {
            let timer = self.next_timer();
            tokio::select! {
                count = self.finished_in.recv_many(&mut taken_in, TAKEN_IN_MAX) => {
                    debug_assert!(count > 0, "the driver holds a sender itself");
                    taken_in.drain(..).for_each(|finished| self.take_in(finished));
                }
                Some(report) = self.reports_in.recv() => self.hear(report),
                Ok(()) = self.holdings.changed() => self.compare_holdings(),
                woken = self.wakeups.next() => self.wake(woken),
                () = self.steering.changed() => self.hear_orders(),
                Some(order) = self.orders.recv() => self.obey(order),
                () = tokio::time::sleep_until(timer.into()) => {}
                () = self.house.stop.cancelled() => {}
            }
            // Attempts notice the stop, too, and may report it first: nothing of that is said to the database any more.
            if self.house.stop.is_cancelled() {
                return;
            }
            self.proceed();
            // The driver comes by at least every few seconds. Silence tells the heartbeat that it does so no more, or that one
            // of its tasks will never report.
            if self.under_way.get_mut().are_all_polled(Instant::now()) {
                self.house.membership.pulse();
            }
            if self.is_drained() {
                break;
            }
        }
        if let Some(done) = self.draining {
            // Nobody waiting means that the drain was given up; it is complete all the same.
            done.send(()).ok();
        }
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Claimed(outcome) => self.take_claimed(*outcome),
            Report::Promoted(promoted) => self.claiming.promoted(promoted, Instant::now()),
            Report::Settled(batch) => self.take_settled(batch),
            Report::EffectsFailed(finished) => {
                self.effects -= 1;
                self.take_handled(*finished);
            }
            Report::TakenOver(arrival) => self.take_arrival(arrival),
            Report::Released => self.releasing -= 1,
            Report::Obeyed(obeyed) => self.take_obeyed(obeyed),
            Report::Noted => self.take_noted(),
            Report::Room(answered) => self.take_answered(answered),
            Report::RoomLeft => self.take_left(),
            Report::SetAside(done) => self.take_set_aside(done),
            Report::Resumed(resumed) => self.take_resumed(resumed),
            Report::Called => self.take_called(),
            Report::Charged(charged) => self.take_charged(*charged),
        }
    }

    fn wake(&mut self, partitions: PartitionSet) {
        self.claiming.woken(partitions);
        if self.room.is_awaited() {
            self.claiming.due_in(Duration::ZERO, Instant::now());
        }
    }

    fn obey(&mut self, order: Command) {
        match order {
            Command::Pause => self.paused = true,
            Command::Resume => {
                self.paused = false;
                self.claiming.woken(PartitionSet::ALL);
            }
            Command::Drain { until, done } => {
                self.draining = Some(done);
                let leaving = self.partitions.leave_all(until);
                self.empty(&leaving);
            }
        }
    }

    /// Starts whatever may start now.
    fn proceed(&mut self) {
        let now = Instant::now();
        self.lift_holds(now);
        self.partitions.cancel_overdue(now);
        let may_work = self.house.membership.may_work(now);
        let may_begin = may_work
            && !self.paused
            && !self.steering.everything_waits()
            && self.draining.is_none();
        if may_work {
            self.settle();
            self.leave_rooms();
        }
        if may_begin {
            self.start_handlers();
            self.try_suspect();
            self.see_to_room();
        }
        // Before the next claim: with a backlog there is always one under way, and these wait until there is none.
        if may_work {
            self.steer(now);
        }
        self.hand_over();
        if may_begin {
            self.claim(now);
            self.promote(now);
        }
        self.house.meters.slots_busy(self.running);
    }

    /// When something is to be done although nobody reports anything.
    fn next_timer(&self) -> Instant {
        [
            self.partitions.next_cancel(),
            self.mailboxes.next_hold_end(),
        ]
        .into_iter()
        .flatten()
        .fold(
            self.claiming.next_timer(self.mailboxes.wants_looks()),
            Instant::min,
        )
    }

    fn is_drained(&self) -> bool {
        self.draining.is_some()
            && self.partitions.all_released()
            && self.running + self.batches + self.effects + self.releasing + self.arriving == 0
            && self.pending.is_empty()
            && self.with_effects.is_empty()
            && !self.room.is_busy()
            && !self.steering.is_busy()
            && !self.claiming.is_busy()
    }

    /// Runs a task that talks to the database and reports to the driver.
    fn report_from<F>(&self, work: F)
    where
        F: Future<Output = Report> + Send + 'static,
    {
        let reports = self.reports.clone();
        let work = self.under_way.lock().watch(work);
        self.house.tasks.spawn(async move {
            // The driver is gone only when the pool was stopped hard: nobody keeps books any more.
            reports.send(work.await).await.ok();
        });
    }
}
