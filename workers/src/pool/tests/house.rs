//! A small house for the pool's stories: a scratch database, a queue on it, and a bot whose handler is a closure.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use sallyport_postgres::Pools;
use sallyport_postgres::testing::TestDatabase;
use sallyport_queue::mailboxes::HeadPolicy;
use sallyport_queue::membership::{self, Membership};
use sallyport_queue::ownership::WorkerId;
use sallyport_queue::retry::Backoff;
use sallyport_queue::{
    Claimed, Effects, ErrorNote, Key, MessageId, NewMessage, PayloadFormat, Priority, Queue,
    Settings,
};
use sallyport_telemetry::trace::{KeepPolicy, SpanContext, SpanRecord, SpanSink};

use crate::pool::{Handled, Handler, Handlers, KindPolicy, Pool, PoolHandle, PoolSettings, Run};

/// Stories end within this, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The kind that the stories are about, and the kind that a dead letter's person is told with.
pub(super) const KIND: &str = "test.message";
pub(super) const NOTICE: &str = "test.notice";

pub(super) const REMEMBER: &str = "INSERT INTO effects VALUES ($1)";

/// Waits for something that is going to happen.
pub(super) async fn wait_until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !happened().await {
        assert!(start.elapsed() < PATIENCE, "it never happened that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A policy for impatient tests.
pub(super) fn quick() -> KindPolicy {
    KindPolicy {
        deadline: Duration::from_secs(20),
        attempts_max: 3,
        backoff: Backoff {
            first: Duration::from_millis(5),
            longest: Duration::from_millis(20),
        },
        head: HeadPolicy::Hold {
            at_most: Duration::from_secs(30),
        },
        late_after: None,
        sends: false,
        limits: None,
        newest_version: None,
    }
}

/// Done, with one statement to be committed together with the message's end.
pub(super) fn with_effect(id: MessageId, statement: &'static str) -> Handled {
    let effects: Effects = Box::new(move |transaction| {
        Box::pin(async move {
            transaction.execute(statement, &[&id.0]).await?;
            Ok(())
        })
    });
    Handled {
        effects: Some(effects),
        ..Handled::done()
    }
}

/// Keeps every tale.
#[derive(Clone, Default)]
pub(super) struct Tales(pub(super) Arc<Mutex<Vec<Vec<SpanRecord>>>>);

impl SpanSink for Tales {
    fn keep(&self, spans: Vec<SpanRecord>) {
        self.0.lock().push(spans);
    }
}

pub(super) struct House {
    database: TestDatabase,
    pub(super) owner: tokio_postgres::Client,
    pub(super) tales: Arc<Mutex<Vec<Vec<SpanRecord>>>>,
    feeder: Queue,
    lease_ms: u64,
}

impl House {
    /// Its leases are long: on a busy machine a short one runs out for want of a beat, and that is another story.
    pub(super) async fn build() -> Self {
        Self::with_leases_of(membership::Settings::default().lease_ms).await
    }

    pub(super) async fn with_leases_of(lease_ms: u64) -> Self {
        let database = TestDatabase::create().await;
        let owner = database.owner().await;
        let feeder = Queue::open(database.pools(), Settings::default())
            .await
            .unwrap();
        Self {
            database,
            owner,
            tales: Arc::default(),
            feeder,
            lease_ms,
        }
    }

    /// Another process, as far as the database can see: pools, queue, heartbeat and pool of its own.
    pub(super) async fn pool(&self, name: &str, bot: &Arc<Bot>) -> PoolHandle {
        let pools: Pools = self.database.pools();
        let queue = Queue::open(pools.clone(), Settings::default())
            .await
            .unwrap();
        let lease = membership::Settings {
            lease_ms: self.lease_ms,
        };
        let membership = Membership::join(&pools, &lease, WorkerId::new(name))
            .await
            .unwrap();
        let mut handlers = Handlers::default();
        handlers
            .add(KIND, Arc::clone(bot) as Arc<dyn Handler>)
            .unwrap();
        handlers
            .add(NOTICE, Arc::clone(bot) as Arc<dyn Handler>)
            .unwrap();
        let sink = Arc::new(Tales(Arc::clone(&self.tales)));
        let keep = KeepPolicy {
            ratio: 0.0,
            slow_ms: 60_000,
        };
        Pool::start(
            &queue,
            Arc::new(membership),
            &handlers,
            &PoolSettings::default(),
            sink,
            keep,
        )
    }

    /// A worker dies, and what it held is free as if its lease had run out.
    pub(super) async fn kill(&self, pool: &PoolHandle, name: &str) {
        pool.kill().await;
        let free = "WITH dead AS (DELETE FROM workers WHERE id = $1) UPDATE leases SET owner = NULL WHERE owner = $1";
        self.owner.execute(free, &[&name]).await.unwrap();
    }

    /// Puts one message per key on the queue; its payload is its place in the list. Returns the numbers.
    pub(super) async fn enqueue(&self, keys: impl IntoIterator<Item = String>) -> Vec<MessageId> {
        let intake = self.feeder.intake();
        let mut ids = Vec::new();
        for (place, key) in keys.into_iter().enumerate() {
            let message = message(KIND, Key::from(key), place.to_string());
            let accepted = intake.accept(message).await.unwrap();
            ids.push(accepted.stored().unwrap().id);
        }
        ids
    }

    /// The steering wheel, in the hands of somebody outside of the pools.
    pub(super) fn control(&self) -> sallyport_queue::Control {
        self.feeder.control()
    }

    /// Puts these messages on the queue.
    pub(super) async fn enqueue_all(
        &self,
        messages: impl IntoIterator<Item = NewMessage>,
    ) -> Vec<MessageId> {
        let intake = self.feeder.intake();
        let mut ids = Vec::new();
        for message in messages {
            let accepted = intake.accept(message).await.unwrap();
            ids.push(accepted.stored().unwrap().id);
        }
        ids
    }

    /// The same, many at a time: in no order, sharing commits.
    pub(super) async fn enqueue_together(&self, messages: impl IntoIterator<Item = NewMessage>) {
        let intake = self.feeder.intake();
        futures::stream::iter(messages)
            .map(|message| intake.accept(message))
            .buffer_unordered(1_000)
            .for_each(|accepted| {
                accepted.unwrap();
                futures::future::ready(())
            })
            .await;
    }

    pub(super) async fn count(&self, table: &str, which: &str) -> i64 {
        let statement = format!("SELECT count(*) FROM {table} WHERE {which}");
        self.owner.query_one(&statement, &[]).await.unwrap().get(0)
    }
}

pub(super) fn message(kind: &str, key: Key, payload: String) -> NewMessage {
    NewMessage {
        bot: String::from("test"),
        tenant: String::from("test"),
        source: String::from("test"),
        delivery_id: None,
        kind: String::from(kind),
        kind_version: 1,
        key,
        priority: Priority::Interactive,
        payload: Bytes::from(payload),
        payload_format: PayloadFormat::Bytes,
        subject: None,
        cause: None,
        trace: SpanContext::new_root(false),
        edge_spans: None,
        delay: None,
        expires_in: None,
        unique: None,
    }
}

type Script = dyn Fn(Arc<Claimed>, Run) -> BoxFuture<'static, Handled> + Send + Sync;

/// A handler whose behaviour is a closure, and which remembers what it was asked.
pub(super) struct Bot {
    policy: KindPolicy,
    script: Box<Script>,
    pub(super) runs: AtomicUsize,
    pub(super) order: Mutex<Vec<MessageId>>,
    now: AtomicUsize,
    pub(super) most_at_once: AtomicUsize,
}

impl Bot {
    pub(super) fn new<F>(
        policy: KindPolicy,
        script: impl Fn(Arc<Claimed>, Run) -> F + Send + Sync + 'static,
    ) -> Arc<Self>
    where
        F: Future<Output = Handled> + Send + 'static,
    {
        Arc::new(Self {
            policy,
            script: Box::new(move |message, run| Box::pin(script(message, run))),
            runs: AtomicUsize::new(0),
            order: Mutex::default(),
            now: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        })
    }
}

#[async_trait]
impl Handler for Bot {
    fn policy(&self) -> &KindPolicy {
        &self.policy
    }

    async fn handle(&self, message: Arc<Claimed>, run: Run) -> Handled {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.order.lock().push(message.id);
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        let handled = (self.script)(message, run).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        handled
    }

    fn buried(&self, dead: &Claimed, _error: &ErrorNote) -> Vec<NewMessage> {
        let mut notice = message(NOTICE, Key::from("out:test:person"), String::from("sorry"));
        notice.cause = Some(dead.id);
        notice.trace = dead.trace;
        vec![notice]
    }
}
