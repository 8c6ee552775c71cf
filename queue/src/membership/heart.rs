//! The heartbeat itself: an operating system thread with a small runtime and one connection.
//!
//! Each round says "I live", looks at everybody, takes what should be ours and is free, and publishes what we hold. Rounds
//! come at a steady pace; whoever comes, leaves or gives something back asks the others for one more, so that a handover
//! does not wait for beats. A request that gets lost costs a beat and nothing else.
//! A round that fails changes nothing: the holdings stand, and `may_work` turns false by itself when time runs out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_postgres::{PoolError, Pools, Role};
use sallyport_telemetry::Chain;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::error::Elapsed;
use tokio_postgres::{Client, Notification};
use tokio_util::task::TaskTracker;

use super::plan::Judgement;
use super::pulse::Listening;
use super::roster::{Crowd, Look};
use super::{Ask, Holdings, Shared, statements};
use crate::ownership::WorkerId;
use crate::{Partition, Token};

/// Beats per lease: one may be lost, and one late, before a holder has to stop at two thirds.
const BEATS_PER_LEASE: u32 = 5;
/// The least time between two rounds of which the second was asked for by others.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Why one heartbeat failed.
#[derive(Debug, thiserror::Error)]
pub enum BeatError {
    /// No connection.
    #[error("no connection for the heartbeat")]
    Connect(#[source] PoolError),
    /// A statement failed.
    #[error("the heartbeat was refused or lost")]
    Statement(#[from] tokio_postgres::Error),
    /// The database did not answer in time.
    #[error("the heartbeat got no answer within {limit:?}")]
    Late {
        /// How long it waited.
        limit: Duration,
        /// The clock's word for it; a start tells by it that waiting may help.
        #[source]
        elapsed: Elapsed,
    },
    /// The thread got no runtime.
    #[error("no runtime for the heartbeat's thread")]
    Runtime(#[source] std::io::Error),
}

pub(super) struct Heart {
    me: WorkerId,
    pools: Pools,
    shared: Arc<Shared>,
    publish: watch::Sender<Arc<Holdings>>,
    asked: mpsc::Receiver<Ask>,
    judgement: Judgement,
    client: Option<Client>,
    connections: TaskTracker,
    /// Rung when another worker asks for a look.
    heard: Arc<Notify>,
    leaving: bool,
}

impl Heart {
    pub(super) fn new(
        me: WorkerId,
        pools: Pools,
        shared: Arc<Shared>,
        publish: watch::Sender<Arc<Holdings>>,
        asked: mpsc::Receiver<Ask>,
    ) -> Self {
        Self {
            judgement: Judgement::new(me.clone(), shared.lease),
            me,
            pools,
            shared,
            publish,
            asked,
            client: None,
            connections: TaskTracker::new(),
            heard: Arc::new(Notify::new()),
            leaving: false,
        }
    }

    /// The thread's whole life. Reports the first beat, then beats until it is stopped or its owner is gone.
    pub(super) fn live(mut self, born: oneshot::Sender<Result<(), BeatError>>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                // Nobody waiting means that the owner is gone already.
                born.send(Err(BeatError::Runtime(error))).ok();
                return;
            }
        };
        runtime.block_on(async {
            let first = self.round().await;
            let failed = first.is_err();
            if born.send(first).is_ok() && !failed {
                self.tell_the_others().await;
                self.beat_on().await;
            }
        });
    }

    async fn beat_on(&mut self) {
        let pause = self.shared.lease / BEATS_PER_LEASE;
        let mut next = Instant::now() + pause;
        let mut listening = Listening::default();
        loop {
            let heard = Arc::clone(&self.heard);
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => {
                    if listening.is_dead(&self.shared.pulse, pause) {
                        self.fall_silent_for_the_holder();
                        return;
                    }
                    self.round_and_report().await;
                    next = Instant::now().max(next + pause);
                }
                // Never later than the next beat, and seldom enough.
                () = heard.notified() => next = next.min(Instant::now() + ASKED_AGAIN_AFTER),
                ask = self.asked.recv() => match ask {
                    Some(Ask::Release(leases, done)) => {
                        self.release(&leases).await;
                        self.tell_the_others().await;
                        done.send(()).ok();
                        self.round_and_report().await;
                    }
                    Some(Ask::Leave) => {
                        self.leaving = true;
                        self.round_and_report().await;
                        self.tell_the_others().await;
                    }
                    Some(Ask::Stop(done)) => {
                        self.strike_off().await;
                        done.send(()).ok();
                        return;
                    }
                    Some(Ask::FallSilent) | None => return,
                },
            }
        }
    }

    /// Whoever acts on the holdings does so no more, and with a heartbeat nobody else would.
    fn fall_silent_for_the_holder(&self) {
        tracing::error!(
            name: "membership.holder_dead",
            { worker.id = %self.me },
            "The worker's pool does not react any more, most likely because a handler blocks its thread; others take over what it holds, \
             and this process has to be started again"
        );
        self.shared.pulse.tell();
    }

    async fn round_and_report(&mut self) {
        if let Err(error) = self.round().await {
            tracing::warn!(name: "membership.beat_failed", { worker.id = %self.me, error = %Chain(&error) }, "A heartbeat failed");
        }
    }

    /// One round, with a deadline of a third of a lease; after a failure the connection is made anew.
    async fn round(&mut self) -> Result<(), BeatError> {
        let limit = self.shared.lease / 3;
        let outcome = tokio::time::timeout(limit, self.beat_look_take()).await;
        let outcome = outcome.unwrap_or_else(|elapsed| Err(BeatError::Late { limit, elapsed }));
        if outcome.is_err() {
            self.client = None;
        }
        outcome
    }

    async fn beat_look_take(&mut self) -> Result<(), BeatError> {
        self.connect().await?;
        let Some(client) = &self.client else {
            return Ok(());
        };
        let sent = Instant::now();
        statements::beat(client, &self.me, self.leaving).await?;
        let asked = Instant::now();
        let beats = statements::workers(client).await?;
        let look = Look {
            sent: asked,
            answered: Instant::now(),
        };
        let leases = statements::leases(client).await?;
        let (crowd, plan) = self.judgement.judge(&beats, look, &leases);
        let won = if plan.take.is_empty() {
            BTreeMap::new()
        } else {
            statements::take(client, &self.me, &plan.take).await?
        };
        let holdings = plan.holdings(won);
        self.shared.beat_succeeded(sent);
        publish(&self.publish, holdings);
        bury(client, &crowd).await
    }

    async fn connect(&mut self) -> Result<(), BeatError> {
        if self
            .client
            .as_ref()
            .is_some_and(|client| !client.is_closed())
        {
            return Ok(());
        }
        let (heard, me) = (Arc::clone(&self.heard), self.me.clone());
        let hear = move |said: &Notification| {
            if said.payload() != me.as_str() {
                heard.notify_one();
            }
        };
        let client =
            self.pools
                .connect_hearing("heartbeat", Role::Workers, &self.connections, hear);
        let client = client.await.map_err(BeatError::Connect)?;
        statements::listen(&client).await?;
        self.client = Some(client);
        Ok(())
    }

    /// Asks every other worker for a look. They find out by themselves, only later.
    async fn tell_the_others(&self) {
        let Some(client) = &self.client else {
            return;
        };
        let deadline = self.shared.lease / 3;
        let told = tokio::time::timeout(deadline, statements::tell(client, &self.me)).await;
        if !matches!(told, Ok(Ok(()))) {
            tracing::debug!(name: "membership.not_told", { worker.id = %self.me }, "The other workers will look at their next beat");
        }
    }

    /// What is released is no longer published, whether or not the database heard of it.
    async fn release(&mut self, leases: &[(Partition, Token)]) {
        self.publish.send_if_modified(|holdings| {
            let holdings = Arc::make_mut(holdings);
            let before = holdings.len();
            holdings.retain(|partition, holding| !leases.contains(&(*partition, holding.token)));
            holdings.len() != before
        });
        let Some(client) = &self.client else {
            return;
        };
        let released = tokio::time::timeout(
            self.shared.lease / 3,
            statements::release(client, &self.me, leases),
        )
        .await;
        if !matches!(released, Ok(Ok(()))) {
            tracing::warn!(
                name: "membership.release_failed",
                { worker.id = %self.me, leases = leases.len() },
                "Leases could not be released and will expire"
            );
        }
    }

    async fn strike_off(&mut self) {
        self.publish.send_replace(Arc::new(Holdings::new()));
        let Some(client) = &self.client else {
            return;
        };
        let gone = tokio::time::timeout(
            self.shared.lease / 3,
            statements::strike_off(client, &self.me),
        )
        .await;
        if !matches!(gone, Ok(Ok(()))) {
            tracing::warn!(
                name: "membership.sign_off_failed",
                { worker.id = %self.me },
                "The worker could not sign off and will be found missing"
            );
        }
    }
}

fn publish(publish: &watch::Sender<Arc<Holdings>>, holdings: Holdings) {
    publish.send_if_modified(|current| {
        let changed = **current != holdings;
        if changed {
            *current = Arc::new(holdings);
        }
        changed
    });
}

/// Clears away the rows of the long dead.
async fn bury(client: &Client, crowd: &Crowd) -> Result<(), BeatError> {
    for worker in &crowd.long_dead {
        if let Some(beat) = crowd.beats.get(worker) {
            statements::bury(client, worker, *beat).await?;
        }
    }
    Ok(())
}
