//! The stories' hands on a real Postgres, through the product's own store.

use std::collections::BTreeMap;
use std::time::Duration;

use sallyport_postgres::testing::TestDatabase;
use sallyport_queue::blame::KindRules;
use sallyport_queue::ownership::WorkerId;
use sallyport_queue::{
    ClaimRef, ClaimRequest, Claimed, InHand, Intake, Key, Lanes, MessageId, NewMessage, Partition,
    PartitionClaim, PartitionSet, Priority, Queue, Settings, Settled, Settlement, Store, TakenOver,
    Token,
};
use tokio_postgres::Client;

use super::{Stored, look};
use crate::checker::SEND;
use crate::model::Taken;

/// The model knows no bound for crashes in a crowd; with so many attempts it is out of reach.
const RULES: [KindRules<'_>; 1] = [KindRules {
    kind: SEND,
    sends: true,
    attempts_max: u16::MAX,
}];

/// A scratch database with a queue on it.
pub(crate) struct Real {
    queue: Queue,
    intake: Intake,
    owner: Client,
    stores: BTreeMap<String, Store>,
    _database: TestDatabase,
}

impl Real {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::create().await;
        let queue = Queue::open(database.pools(), Settings::default())
            .await
            .unwrap();
        Self {
            intake: queue.intake(),
            owner: database.owner().await,
            queue,
            stores: BTreeMap::new(),
            _database: database,
        }
    }

    fn store(&mut self, worker: &str) -> &Store {
        let queue = &self.queue;
        self.stores
            .entry(worker.to_owned())
            .or_insert_with(|| queue.store(&WorkerId::new(worker)))
    }
}

fn taken(claimed: &Claimed) -> Taken {
    Taken {
        id: claimed.id,
        key: claimed.key.clone(),
        kind: claimed.kind.to_string(),
        partition: claimed.partition,
        priority: claimed.priority,
        token: claimed.token,
        claim: claimed.claim,
        attempts: claimed.attempts,
        interrupted: claimed.interrupted,
        stepped_over: claimed.stepped_over,
        origin: String::from_utf8_lossy(&claimed.payload)
            .parse()
            .unwrap_or(0),
    }
}

impl Stored for Real {
    async fn accept(&mut self, message: NewMessage) -> (MessageId, bool) {
        let accepted = self.intake.accept(message).await.unwrap();
        let receipt = accepted.stored().unwrap();
        (receipt.id, receipt.duplicate)
    }

    async fn accept_and_leave(&mut self, message: NewMessage) {
        let accept = self.intake.accept(message);
        // Asked once, then dropped: the message is on its way, and nobody waits for it.
        assert!(futures::poll!(std::pin::pin!(accept)).is_pending());
    }

    async fn own(&mut self, worker: &str) -> Token {
        // Only a worker that says so is given rows that are behind; from others they are brought back.
        self.owner
            .execute(
                "INSERT INTO workers (id, beat, looks_behind) VALUES ($1, 1, true) ON CONFLICT DO NOTHING",
                &[&worker],
            )
            .await
            .unwrap();
        let rows = self
            .owner
            .query(
                "UPDATE leases SET owner = $1, token = token + 1 RETURNING token",
                &[&worker],
            )
            .await
            .unwrap();
        Token(rows[0].get(0))
    }

    async fn claim(&mut self, worker: &str, token: Token, in_hand: &[MessageId]) -> Vec<Taken> {
        let mut partitions = Vec::new();
        for priority in Priority::ALL {
            partitions.extend(Partition::all().map(|partition| PartitionClaim {
                partition,
                token,
                priority,
                messages_max: 100,
                lanes: Lanes::InTurn,
                sweep: true,
            }));
        }
        // The model does not read the partition of what is in hand, nor does the statement.
        let in_hand: Vec<InHand> = in_hand
            .iter()
            .map(|id| InHand {
                partition: Partition(0),
                id: *id,
            })
            .collect();
        let request = ClaimRequest {
            partitions: &partitions,
            in_hand: &in_hand,
            looks: &[],
            watched: PartitionSet::ALL,
        };
        let claimed = self.store(worker).claim(&request).await.unwrap();
        claimed.messages.iter().map(taken).collect()
    }

    async fn claim_behind(&mut self, worker: &str, token: Token, key: &Key) -> Vec<Taken> {
        let looks = [(look(key), token)];
        let request = ClaimRequest {
            partitions: &[],
            in_hand: &[],
            looks: &looks,
            watched: PartitionSet::ALL,
        };
        let claimed = self.store(worker).claim(&request).await.unwrap();
        claimed.looked.iter().map(taken).collect()
    }

    async fn settle(&mut self, worker: &str, settlement: Settlement) -> Settled {
        self.store(worker).settle(&[settlement]).await.unwrap()[0]
    }

    async fn take_over(&mut self, worker: &str, token: Token) -> TakenOver {
        let leases: Vec<(Partition, Token)> = Partition::all()
            .map(|partition| (partition, token))
            .collect();
        let store = self.store(worker);
        store.take_over(&leases, &RULES).await.unwrap()
    }

    async fn release(&mut self, worker: &str, message: ClaimRef, behind: bool) {
        let (as_it_is, behind) = match behind {
            true => (vec![], vec![message]),
            false => (vec![message], vec![]),
        };
        let store = self.store(worker);
        store.give_back(&as_it_is, &behind).await.unwrap();
    }

    async fn promote(&mut self, worker: &str) -> usize {
        let partitions: Vec<Partition> = Partition::all().collect();
        let promoted = self.store(worker).promote(&partitions).await.unwrap();
        promoted.promoted
    }

    async fn lift(&mut self, worker: &str, key: &Key, head: MessageId) {
        let keys = [(key.partition(), key.clone(), head)];
        self.store(worker).lift(&keys).await.unwrap();
    }

    async fn pass(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        for statement in [
            "UPDATE queue SET ready_at = ready_at - $1 * interval '1 second'",
            "UPDATE held_keys SET until = until - $1 * interval '1 second'",
        ] {
            self.owner.execute(statement, &[&seconds]).await.unwrap();
        }
    }
}
