//! A small Postgres with the semantics of the queue's own statements, and with what hurts about a real one.
//!
//! A statement begins (it sees its snapshot, draws its numbers, locks its leases) and commits later: so numbers become
//! visible out of order, a stalled statement takes effect after its sender gave up, and a crash loses what was under way.
//! That it agrees with a real Postgres is held by `conformance`. It is faithful to the statements under `queue/src`, and
//! knows nothing of who asks or why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sallyport_queue::mailboxes::Look;
use sallyport_queue::membership::decisions::{Beat, Lease, Take};
use sallyport_queue::ownership::WorkerId;
use sallyport_queue::{
    ClaimId, ClaimRef, HeldKey, Key, MessageId, NewMessage, Partition, Priority, Settled,
    Settlement, TakenOver, Token,
};

mod accept;
mod claim;
mod leases;
mod settle;
mod take_over;

/// Microseconds by the clock of whoever says it.
pub(crate) type Micros = i64;

/// What can be wrong with this Postgres on purpose.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flaws {
    /// Settlements are not fenced by owner and token.
    pub(crate) no_fence: bool,
    /// A takeover counts nothing.
    pub(crate) no_counting: bool,
    /// What comes out of a spool is put in without looking at the unique pair.
    pub(crate) replay_without_pair: bool,
    /// An accept draws all of its numbers before its first pair is in.
    pub(crate) numbers_at_once: bool,
}

/// One statement, or one short transaction, as the queue sends it.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Accept {
        messages: Vec<NewMessage>,
        is_replay: bool,
    },
    Claim(ClaimAsk),
    Settle {
        worker: WorkerId,
        settlements: Vec<Settlement>,
    },
    TakeOver {
        worker: WorkerId,
        leases: Vec<(Partition, Token)>,
        sends: Vec<&'static str>,
    },
    /// Each with whether it is to go behind.
    Release {
        worker: WorkerId,
        messages: Vec<(ClaimRef, bool)>,
    },
    BehindKeys(Vec<Partition>),
    Promote(Vec<Partition>),
    Lift(Vec<(Partition, Key, MessageId)>),
    NoteAmbiguous(MessageId),
    Beat {
        worker: WorkerId,
        leaving: bool,
    },
    Workers,
    Leases,
    Take {
        worker: WorkerId,
        takes: Vec<Take>,
    },
    ReleaseLeases {
        worker: WorkerId,
        leases: Vec<(Partition, Token)>,
    },
    StrikeOff(WorkerId),
}

/// What a claim asks for: the parameters of `claim.sql`.
#[derive(Debug, Clone)]
pub(crate) struct ClaimAsk {
    pub(crate) worker: WorkerId,
    pub(crate) partitions: Vec<ClaimFrom>,
    pub(crate) in_hand: BTreeSet<MessageId>,
    pub(crate) looks: Vec<(Look, Token)>,
    pub(crate) finished: Vec<ClaimId>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct ClaimFrom {
    pub(crate) partition: Partition,
    pub(crate) token: Token,
    pub(crate) priority: Priority,
    pub(crate) messages_max: usize,
    pub(crate) lowest: MessageId,
    pub(crate) watched: bool,
}

/// What a claim brought.
#[derive(Debug, Clone, Default)]
pub(crate) struct Brought {
    pub(crate) messages: Vec<Taken>,
    pub(crate) looked: Vec<Taken>,
    /// What went behind, because earlier messages of their keys are there.
    pub(crate) behind: Vec<Taken>,
}

/// What a statement answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Per message: its number, and whether it had been accepted before.
    Accepted(Vec<(MessageId, bool)>),
    Claimed(Brought),
    /// The keys with messages behind, each with its first.
    Behind(Vec<(Key, Partition, MessageId)>),
    Settled(Vec<Settled>),
    TakenOver(TakenOver),
    /// What became ready, and how long until the next is due.
    Promoted(Vec<(Partition, MessageId)>, Option<Micros>),
    Workers(Vec<Beat>),
    Leases(Vec<Lease>),
    Won(Vec<(Partition, Token)>),
    Done,
}

/// A claimed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) id: MessageId,
    pub(crate) key: Key,
    pub(crate) kind: String,
    pub(crate) partition: Partition,
    pub(crate) priority: Priority,
    pub(crate) token: Token,
    pub(crate) claim: ClaimId,
    pub(crate) attempts: u16,
    pub(crate) interrupted: bool,
    pub(crate) stepped_over: bool,
    /// The number in its payload.
    pub(crate) origin: u32,
}

impl Taken {
    pub(crate) fn reference(&self) -> ClaimRef {
        ClaimRef {
            id: self.id,
            key: self.key.clone(),
            kind: Arc::from(self.kind.as_str()),
            partition: self.partition,
            priority: self.priority,
            token: self.token,
            claim: self.claim,
        }
    }
}

/// What a commit changed, for whoever watches the house from outside.
#[derive(Debug, Clone)]
pub(crate) enum Fact {
    Stored {
        id: MessageId,
        message: NewMessage,
    },
    Ended {
        id: MessageId,
        outcome: &'static str,
        partition: Partition,
        token: Token,
        outgoing: usize,
    },
    /// An attempt ended that was not the last; the message comes back at this time of the database's clock.
    Returned {
        id: MessageId,
        partition: Partition,
        token: Token,
        counted: bool,
        ready_at: Micros,
    },
    Granted {
        partition: Partition,
        token: Token,
    },
    Released(MessageId),
    Interrupted {
        id: MessageId,
        ambiguous: bool,
    },
    Promoted {
        id: MessageId,
        ready_at: Micros,
        now: Micros,
    },
}

/// A row of `queue`.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) partition: Partition,
    pub(crate) priority: Priority,
    pub(crate) delayed: bool,
    /// It waits behind an earlier one of its key, and is claimed by its key.
    pub(crate) behind: bool,
    pub(crate) stepped_over: bool,
    pub(crate) attempts: u16,
    pub(crate) interrupted: bool,
    pub(crate) counted_claim: ClaimId,
    pub(crate) ready_at: Micros,
    pub(crate) kind: String,
    pub(crate) key: Key,
    pub(crate) origin: u32,
}

#[derive(Debug, Clone)]
struct ClaimRow {
    entries: Vec<(Partition, Token, MessageId)>,
    released: BTreeSet<MessageId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    id: MessageId,
    claim: ClaimId,
    worker: WorkerId,
}

#[derive(Debug, Clone, Default)]
struct LeaseRow {
    owner: Option<WorkerId>,
    token: i64,
    counted: i64,
    /// Statements under way that hold it `FOR SHARE`.
    shares: u32,
}

/// The tables, as committed.
#[derive(Debug, Default)]
pub(crate) struct Database {
    pub(crate) flaws: Flaws,
    pub(crate) queue: BTreeMap<MessageId, Row>,
    pub(crate) outcomes: BTreeMap<MessageId, &'static str>,
    deliveries: BTreeMap<(String, String), MessageId>,
    /// Pairs that a statement under way has put in and not committed, with the number it gave.
    reserved: BTreeMap<(String, String), MessageId>,
    claims: BTreeMap<ClaimId, ClaimRow>,
    ends: BTreeMap<MessageId, Vec<End>>,
    workers: BTreeMap<WorkerId, (i64, bool)>,
    leases: BTreeMap<Partition, LeaseRow>,
    held_keys: BTreeMap<(Partition, Key), (MessageId, Option<Micros>)>,
    pub(crate) ambiguous: BTreeMap<MessageId, u32>,
    last_id: i64,
    last_claim: i64,
}

/// What a statement that is under way has seen and holds.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    numbers: Vec<MessageId>,
    /// How many of the messages have put their pairs in, or found that they are there.
    pairs_in: usize,
    shares: BTreeSet<Partition>,
    brought: Brought,
    fenced: Vec<usize>,
}

/// A statement that has to wait for somebody's lock.
#[derive(Debug)]
pub(crate) struct Waits(pub(crate) Begun);

impl Database {
    /// A database whose only partitions are these.
    pub(crate) fn new(partitions: impl IntoIterator<Item = Partition>, flaws: Flaws) -> Self {
        let lease = |partition| (partition, LeaseRow::default());
        Self {
            flaws,
            leases: partitions.into_iter().map(lease).collect(),
            ..Self::default()
        }
    }

    /// The statement sees what is committed now, draws its numbers and takes its locks.
    pub(crate) fn begin(&mut self, ask: &Ask) -> Begun {
        match ask {
            Ask::Accept { messages, .. } => self.begin_accept(messages),
            Ask::Claim(ask) => self.begin_claim(ask),
            Ask::Settle {
                worker,
                settlements,
            } => self.begin_settle(worker, settlements),
            _ => Begun::default(),
        }
    }

    /// The statement takes effect at `now` by this database's clock.
    pub(crate) fn commit(
        &mut self,
        ask: &Ask,
        mut begun: Begun,
        now: Micros,
        facts: &mut Vec<Fact>,
    ) -> Result<Answer, Waits> {
        let is_through = match ask {
            Ask::Accept { messages, .. } => self.put_pairs_in(messages, &mut begun),
            _ => true,
        };
        if !is_through || self.must_wait(ask) {
            return Err(Waits(begun));
        }
        self.let_go(&begun);
        Ok(match ask {
            Ask::Accept {
                messages,
                is_replay,
            } => self.accept(messages, *is_replay, &begun.numbers, now, facts),
            Ask::Claim(ask) => self.claim(ask, begun.brought),
            Ask::Settle {
                worker,
                settlements,
            } => self.settle(worker, settlements, &begun.fenced, now, facts),
            Ask::TakeOver {
                worker,
                leases,
                sends,
            } => self.take_over(worker, leases, sends, now, facts),
            Ask::Release { worker, messages } => self.release(worker, messages, facts),
            Ask::BehindKeys(partitions) => self.behind_keys(partitions),
            Ask::Promote(partitions) => self.promote(partitions, now, facts),
            Ask::Lift(keys) => self.lift(keys),
            Ask::NoteAmbiguous(id) => {
                *self.ambiguous.entry(*id).or_default() += 1;
                Answer::Done
            }
            Ask::Beat { worker, leaving } => self.beat(worker, *leaving),
            Ask::Workers => self.look_at_workers(),
            Ask::Leases => self.look_at_leases(),
            Ask::Take { worker, takes } => self.take(worker, takes, facts),
            Ask::ReleaseLeases { worker, leases } => self.release_leases(worker, leases),
            Ask::StrikeOff(worker) => self.strike_off(worker),
        })
    }

    /// The statement is rolled back.
    pub(crate) fn abort(&mut self, begun: &Begun) {
        self.let_go(begun);
    }

    /// A crash: nobody holds a lock any more, and the sequence leaves a gap.
    pub(crate) fn crash(&mut self, gap: i64) {
        self.last_id += gap;
        self.reserved.clear();
        self.leases.values_mut().for_each(|lease| lease.shares = 0);
    }

    fn let_go(&mut self, begun: &Begun) {
        self.reserved.retain(|_, id| !begun.numbers.contains(id));
        for partition in &begun.shares {
            if let Some(lease) = self.leases.get_mut(partition) {
                lease.shares = lease.shares.saturating_sub(1);
            }
        }
    }

    /// Whether the statement changes leases that others hold.
    fn must_wait(&self, ask: &Ask) -> bool {
        let is_shared = |partition: &Partition| {
            self.leases
                .get(partition)
                .is_some_and(|lease| lease.shares > 0)
        };
        match ask {
            Ask::TakeOver { leases, .. } | Ask::ReleaseLeases { leases, .. } => {
                leases.iter().any(|(partition, _)| is_shared(partition))
            }
            Ask::StrikeOff(worker) => self
                .leases
                .values()
                .any(|lease| lease.owner.as_ref() == Some(worker) && lease.shares > 0),
            _ => false,
        }
    }

    fn next_id(&mut self) -> MessageId {
        self.last_id += 1;
        MessageId(self.last_id)
    }

    /// Takes the lease `FOR SHARE`, if it is still this ownership.
    fn share(&mut self, partition: Partition, token: Token, worker: &WorkerId) -> bool {
        self.leases
            .get(&partition)
            .is_some_and(|lease| lease.token == token.0 && lease.owner.as_ref() == Some(worker))
    }

    fn lock(&mut self, shares: &BTreeSet<Partition>) {
        for partition in shares {
            if let Some(lease) = self.leases.get_mut(partition) {
                lease.shares += 1;
            }
        }
    }

    /// What is held in these partitions.
    fn held(&self, partitions: &[(Partition, Token)], now: Micros) -> Vec<HeldKey> {
        let asked: BTreeSet<Partition> =
            partitions.iter().map(|(partition, _)| *partition).collect();
        self.held_keys
            .iter()
            .filter(|((partition, _), _)| asked.contains(partition))
            .map(|((partition, key), (head, until))| HeldKey {
                partition: *partition,
                key: key.clone(),
                head: *head,
                remaining: until.map(|until| {
                    std::time::Duration::from_micros((until - now).max(0).unsigned_abs())
                }),
            })
            .collect()
    }
}
