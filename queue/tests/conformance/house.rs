//! The given of every story: a scratch database, a queue on it, and workers that own partitions.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sallyport_postgres::testing::TestDatabase;
use sallyport_queue::blame::KindRules;
use sallyport_queue::mailboxes::Look;
use sallyport_queue::ownership::WorkerId;
use sallyport_queue::{
    ClaimRequest, Claimed, HoldChange, InHand, Intake, Key, Lanes, MessageId, NewMessage,
    Partition, PartitionClaim, PartitionSet, PayloadFormat, Priority, Queue, Receipt, Settings,
    Settled, Settlement, Store, Taken, Token, Verdict,
};
use sallyport_telemetry::trace::SpanContext;
use tokio_postgres::Client;

/// Longer than anything here should take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// The kind that leaves the house; of the others an heir knows nothing.
const SENDS: KindRules<'_> = KindRules {
    kind: "telegram.send",
    sends: true,
    attempts_max: 5,
};

pub(crate) struct House {
    pub(crate) queue: Queue,
    pub(crate) intake: Intake,
    pub(crate) owner: Client,
    pub(crate) database: TestDatabase,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let database = TestDatabase::create().await;
        let queue = Queue::open(database.pools(), settings).await.unwrap();
        let intake = queue.intake();
        let owner = database.owner().await;
        Self {
            queue,
            intake,
            owner,
            database,
        }
    }

    pub(crate) async fn accept(&self, message: NewMessage) -> Receipt {
        let accepted = self.intake.accept(message).await.unwrap();
        accepted.stored().expect("there is no spool here")
    }

    /// A worker that has just become the owner of every partition.
    pub(crate) async fn worker(&self, name: &str) -> Worker {
        self.owner
            .execute(
                "INSERT INTO workers (id, beat, looks_behind) VALUES ($1, 1, true)
                 ON CONFLICT (id) DO NOTHING",
                &[&name],
            )
            .await
            .unwrap();
        self.heir(name).await
    }

    /// The same, of the release before, which does not know of messages behind.
    pub(crate) async fn heir(&self, name: &str) -> Worker {
        let row = self
            .owner
            .query(
                "UPDATE leases SET owner = $1, token = token + 1 RETURNING token",
                &[&name],
            )
            .await
            .unwrap();
        let store = self.queue.store(&WorkerId::new(name));
        Worker {
            store,
            token: Token(row[0].get(0)),
        }
    }

    pub(crate) async fn count(&self, question: &str) -> i64 {
        self.owner.query_one(question, &[]).await.unwrap().get(0)
    }

    pub(crate) async fn change(&self, statement: &str) {
        self.owner.batch_execute(statement).await.unwrap();
    }
}

pub(crate) struct Worker {
    pub(crate) store: Store,
    pub(crate) token: Token,
}

impl Worker {
    pub(crate) fn everywhere(&self, messages_max: u16) -> Vec<PartitionClaim> {
        Partition::all()
            .flat_map(|partition| Priority::ALL.map(|priority| (partition, priority)))
            .map(|(partition, priority)| PartitionClaim {
                partition,
                token: self.token,
                priority,
                messages_max,
                lanes: Lanes::InTurn,
                sweep: false,
            })
            .collect()
    }

    pub(crate) fn leases(&self) -> Vec<(Partition, Token)> {
        Partition::all()
            .map(|partition| (partition, self.token))
            .collect()
    }

    /// Claims whatever there is.
    pub(crate) async fn claim(&self) -> Vec<Claimed> {
        self.claim_but(&[]).await
    }

    /// Claims whatever there is but these.
    pub(crate) async fn claim_but(&self, in_hand: &[Claimed]) -> Vec<Claimed> {
        let in_hand: Vec<InHand> = in_hand.iter().map(hand).collect();
        let partitions = self.everywhere(100);
        let request = ClaimRequest {
            partitions: &partitions,
            in_hand: &in_hand,
            ..ClaimRequest::default()
        };
        self.store.claim(&request).await.unwrap().messages
    }

    /// Claims a few of each partition and urgency, with an eye on what is behind, and what is behind of these keys.
    pub(crate) async fn claim_watched(
        &self,
        messages_max: u16,
        in_hand: &[Claimed],
        looks: &[(&str, u16)],
    ) -> Taken {
        let in_hand: Vec<InHand> = in_hand.iter().map(hand).collect();
        let partitions = self.everywhere(messages_max);
        let looks: Vec<(Look, Token)> = looks
            .iter()
            .map(|(key, messages_max)| {
                let key = Key::new(key);
                let look = Look {
                    partition: key.partition(),
                    key,
                    messages_max: *messages_max,
                    alone: None,
                };
                (look, self.token)
            })
            .collect();
        let request = ClaimRequest {
            partitions: &partitions,
            in_hand: &in_hand,
            looks: &looks,
            watched: PartitionSet::ALL,
        };
        self.store.claim(&request).await.unwrap()
    }

    /// Gives these back, to wait behind.
    pub(crate) async fn put_behind(&self, messages: &[Claimed]) {
        let references: Vec<_> = messages.iter().map(Claimed::reference).collect();
        self.store.give_back(&[], &references).await.unwrap();
    }

    pub(crate) async fn settle(&self, settlement: Settlement) -> Settled {
        self.store.settle(&[settlement]).await.unwrap()[0]
    }

    pub(crate) async fn take_over(&self) -> sallyport_queue::TakenOver {
        self.store
            .take_over(&self.leases(), &[SENDS])
            .await
            .unwrap()
    }
}

fn hand(message: &Claimed) -> InHand {
    InHand {
        partition: message.partition,
        id: message.id,
    }
}

/// The numbers of these messages.
pub(crate) fn ids(messages: &[Claimed]) -> Vec<MessageId> {
    messages.iter().map(|message| message.id).collect()
}

/// A message from nowhere in particular.
pub(crate) fn message(key: &str) -> NewMessage {
    NewMessage {
        bot: "ops".to_owned(),
        tenant: "ops".to_owned(),
        source: "telegram:ops".to_owned(),
        delivery_id: None,
        kind: "telegram.update".to_owned(),
        kind_version: 1,
        key: Key::new(key),
        priority: Priority::Interactive,
        payload: Bytes::from_static(b"{}"),
        payload_format: PayloadFormat::Json,
        subject: Some("telegram:4711".to_owned()),
        cause: None,
        trace: SpanContext::new_root(true),
        edge_spans: None,
        delay: None,
        expires_in: None,
        unique: None,
    }
}

/// The same, as its source numbered it.
pub(crate) fn delivery(delivery_id: &str) -> NewMessage {
    NewMessage {
        delivery_id: Some(delivery_id.to_owned()),
        ..message("in:telegram:ops:1")
    }
}

/// The end of an attempt, one more than were made before.
pub(crate) fn end(claimed: &Claimed, verdict: Verdict) -> Settlement {
    Settlement {
        message: claimed.reference(),
        attempt: claimed.attempts + 1,
        started_at: jiff::Timestamp::now(),
        verdict,
        hold: HoldChange::Keep,
        outgoing: Vec::new(),
    }
}

/// The one element of a list that must have one.
pub(crate) fn only<T: std::fmt::Debug>(mut list: Vec<T>) -> T {
    assert_eq!(list.len(), 1, "{list:?}");
    list.remove(0)
}

/// Waits for what must become true, a bounded time; the condition is asked again and again.
pub(crate) async fn wait_until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let began = Instant::now();
    while !condition().await {
        assert!(
            began.elapsed() < PATIENCE,
            "{what} did not become true in time"
        );
        tokio::task::yield_now().await;
    }
}
