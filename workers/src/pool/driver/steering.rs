//! What people ordered, and what follows: kinds that are paused, messages that are cancelled, how far work has come.
//!
//! Orders come from `queue::Control` and are durable; here the owner of the partitions carries them out. Waiting messages
//! are ended in the rows, running ones through their cell; what is paused is set aside by `room`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sallyport_queue::{
    CancelOrder, ErrorNote, Key, MessageId, Orders, OrdersWatch, Partition, PartitionSet,
    ProgressNote, StoreError, Token, Verdict,
};

use super::{Driver, Report};
use crate::pool::attempt::Finished;
use crate::pool::events;
use crate::pool::run::RunCell;

/// How often the driver looks after what is due by time alone: progress, overdue handlers.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many looks in a row must find a handler past its deadline before it counts as stuck. A process that was stopped, or a
/// machine that was asleep, needs only one look to see its handlers end.
const OVERDUE_LOOKS_MAX: u32 = 5;
/// How many cancellations are carried out with one statement.
const OBEY_MAX: usize = 256;

/// A message that was handed out by the mailboxes and is not settled yet.
pub(super) enum Out {
    /// It does not run: it asks for room, is set aside, or ends without being started.
    Unstarted,
    /// It runs, or ran and is being settled.
    Runs(Arc<RunCell>),
    /// Its handler never came back; the message has ended without it.
    Stuck,
}

/// The books about orders.
pub(super) struct Steering {
    watch: OrdersWatch,
    known: Option<Arc<Orders>>,
    /// Cancellations that stand, also those of other owners.
    cancels: HashMap<MessageId, CancelOrder>,
    /// There may be a cancellation to carry out.
    obey_due: bool,
    obeying: bool,
    look_at: Instant,
    /// Messages whose progress is to be forgotten.
    over: Vec<MessageId>,
    noting: bool,
}

/// Cancellations that were carried out, or could not be.
pub(super) struct Obeyed {
    asked: Vec<MessageId>,
    ended: Result<Vec<(MessageId, Key)>, StoreError>,
}

impl Steering {
    pub(super) fn new(mut watch: OrdersWatch, now: Instant) -> Self {
        watch.mark_changed();
        Self {
            watch,
            known: None,
            cancels: HashMap::new(),
            obey_due: false,
            obeying: false,
            look_at: now,
            over: Vec::new(),
            noting: false,
        }
    }

    /// Waits for new orders; cancel safe. Never comes back when the queue is closed.
    pub(super) async fn changed(&mut self) {
        if self.watch.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether everything waits. Until the orders were read once nobody knows, so it does.
    pub(super) fn everything_waits(&self) -> bool {
        self.known
            .as_ref()
            .is_none_or(|orders| orders.everything.is_some())
    }

    pub(super) fn is_paused(&self, kind: &str) -> bool {
        self.known
            .as_ref()
            .is_some_and(|orders| !orders.kinds.is_empty() && orders.kinds.contains_key(kind))
    }

    /// What stands with a message that is to be cancelled.
    pub(super) fn cancels(&self, id: MessageId) -> Option<Verdict> {
        if self.cancels.is_empty() {
            return None;
        }
        self.cancels.get(&id).map(|order| Verdict::Cancelled {
            reason: order.sentence(),
        })
    }

    pub(super) fn is_busy(&self) -> bool {
        self.obeying
    }

    /// Partitions or messages came back to us: somebody may have cancelled something there.
    pub(super) fn look_for_cancels(&mut self) {
        self.obey_due = !self.cancels.is_empty();
    }
}

impl Driver {
    /// Takes in new orders.
    pub(super) fn hear_orders(&mut self) {
        let Some(orders) = self.steering.watch.borrow_and_update().clone() else {
            return;
        };
        let waited = self.steering.everything_waits();
        self.steering.cancels = orders
            .cancellations
            .iter()
            .map(|order| (order.id, order.clone()))
            .collect();
        for order in &orders.cancellations {
            if let Some(Out::Runs(cell)) = self.out.get(&order.id) {
                cell.cancel(order.sentence());
            }
        }
        self.steering.known = Some(orders);
        self.steering.look_for_cancels();
        if waited && !self.steering.everything_waits() {
            self.claiming.woken(PartitionSet::ALL);
        }
        self.let_resumed_go_on();
    }

    /// Does what orders and time ask for.
    pub(super) fn steer(&mut self, now: Instant) {
        if self.steering.look_at <= now {
            self.steering.look_at = now + LOOK_EVERY;
            self.note_progress();
            self.give_up_stuck();
        }
        self.obey_cancels();
    }

    /// Ends cancelled messages that wait here. Not while a claim is under way: it may bring one of them.
    fn obey_cancels(&mut self) {
        if !self.steering.obey_due || self.steering.obeying || self.claiming.is_claiming() {
            return;
        }
        self.steering.obey_due = false;
        let ours: HashMap<Partition, Token> = self.partitions.claimable().collect();
        let orders: Vec<(CancelOrder, Token)> = self
            .steering
            .cancels
            .values()
            .filter(|order| !self.out.contains_key(&order.id))
            .filter_map(|order| Some((order.clone(), *ours.get(&order.partition)?)))
            .take(OBEY_MAX)
            .collect();
        if orders.is_empty() {
            return;
        }
        self.steering.obeying = true;
        let house = Arc::clone(&self.house);
        self.report_from(async move {
            let given: Vec<(&CancelOrder, Token)> = orders
                .iter()
                .map(|(order, token)| (order, *token))
                .collect();
            Report::Obeyed(Obeyed {
                ended: house.store.end_cancelled(&given).await,
                asked: orders.iter().map(|(order, _)| order.id).collect(),
            })
        });
    }

    /// Takes in what became of cancellations.
    pub(super) fn take_obeyed(&mut self, obeyed: Obeyed) {
        self.steering.obeying = false;
        let ended = match obeyed.ended {
            Ok(ended) => ended,
            Err(error) => {
                // The orders stand, and the next look finds them.
                events::obey_failed(&error);
                return;
            }
        };
        for id in &obeyed.asked {
            self.steering.cancels.remove(id);
        }
        self.steering.look_for_cancels();
        for (id, key) in ended {
            self.room.forget(id);
            if let Some(entry) = self.mailboxes.withdraw(&key, id) {
                self.give_back.push(entry.message.reference());
            }
            self.claiming.want(key.partition());
        }
    }

    /// Every few seconds: whatever an order asks for and nobody told us of.
    pub(super) fn look_after_orders(&mut self) {
        self.steering.look_for_cancels();
        self.let_resumed_go_on();
    }

    /// Notes that a message is settled, given back or set aside.
    pub(super) fn is_back(&mut self, id: MessageId) {
        let was = self.out.remove(&id);
        self.suspects.is_back(id);
        if let Some(Out::Runs(cell)) = was
            && cell.was_written()
        {
            self.steering.over.push(id);
        }
        if !self.steering.cancels.is_empty() && self.steering.cancels.contains_key(&id) {
            self.steering.obey_due = true;
        }
    }

    fn note_progress(&mut self) {
        let said = self.house.progress.swap(false, Ordering::AcqRel);
        if self.steering.noting || (!said && self.steering.over.is_empty()) {
            return;
        }
        let notes: Vec<ProgressNote> = self.out.values().filter_map(news_of).collect();
        let over = std::mem::take(&mut self.steering.over);
        if notes.is_empty() && over.is_empty() {
            return;
        }
        self.steering.noting = true;
        let house = Arc::clone(&self.house);
        self.report_from(async move {
            if let Err(error) = house.store.note_progress(&notes, &over).await {
                events::progress_lost(&error);
            }
            Report::Noted
        });
    }

    pub(super) fn take_noted(&mut self) {
        self.steering.noting = false;
    }

    /// Ends messages whose handlers are long past their deadline and do not come back: they block a thread for ever, and
    /// trying again would block the next one.
    fn give_up_stuck(&mut self) {
        let now = Instant::now();
        let stuck: Vec<Arc<RunCell>> = self
            .out
            .values()
            .filter_map(|out| match out {
                Out::Runs(cell) if is_overdue(cell, now) => Some(Arc::clone(cell)),
                Out::Runs(_) | Out::Unstarted | Out::Stuck => None,
            })
            .collect();
        for cell in stuck {
            events::handler_stuck(cell.message.id, &cell.message.kind, cell.started.elapsed());
            self.out.insert(cell.message.id, Out::Stuck);
            let error = ErrorNote::new(
                "stuck",
                "The handler blocked its thread past its deadline and was given up",
            );
            if self
                .partitions
                .owns(cell.message.partition, cell.message.token)
            {
                self.take_handled(Finished::given_up(&cell, error));
            }
        }
    }
}

fn news_of(out: &Out) -> Option<ProgressNote> {
    match out {
        Out::Runs(cell) => cell.news(),
        Out::Unstarted | Out::Stuck => None,
    }
}

/// Whether an attempt is past its deadline for longer than a handler that yields could be.
fn is_overdue(cell: &RunCell, now: Instant) -> bool {
    !cell.has_ended() && cell.deadline < now && cell.looked_at_overdue() > OVERDUE_LOOKS_MAX
}
