//! The live bus: what ended reaches every reader, whoever dies in between.

use std::collections::BTreeSet;
use std::time::Duration;

use sallyport_postgres::ProcessRole;
use sallyport_queue::live::{self, News};
use sallyport_queue::{Queue, Scope, Settings, Stores, Verdict};
use sallyport_redis::Redis;
use sallyport_redis::live::{Heard, LiveEvent, Subscriber};
use sallyport_redis::testing::{OwnServer, open, shared};

use crate::house::{House, Worker, end, message, wait_until};

const SILENT_MAX: Duration = Duration::from_millis(100);

/// A house whose queue publishes to this Redis.
async fn publishing(redis: &Redis) -> (House, Queue) {
    let house = House::new().await;
    let queue = another_publisher(&house, redis).await;
    (house, queue)
}

async fn another_publisher(house: &House, redis: &Redis) -> Queue {
    let stores = Stores {
        pools: sallyport_postgres::Pools::open(&house.database.settings(), ProcessRole::Both)
            .unwrap(),
        redis: Some(redis.clone()),
    };
    let settings = Settings {
        live_every_ms: 20,
        ..Settings::default()
    };
    let queue = Queue::open(stores, settings).await.unwrap();
    queue.start_chores();
    queue
}

/// So many messages are accepted, handled and ended.
async fn work_off(house: &House, worker: &Worker, messages: usize) {
    for number in 0..messages {
        house.accept(message(&format!("in:{number}"))).await;
    }
    let mut left = messages;
    while left > 0 {
        let claimed = worker.claim().await;
        left -= claimed.len();
        let ends: Vec<_> = claimed
            .iter()
            .map(|claimed| end(claimed, Verdict::Done))
            .collect();
        worker.store.settle(&ends).await.unwrap();
    }
}

async fn ended(house: &House) -> BTreeSet<String> {
    let rows = house
        .owner
        .query("SELECT message_id FROM endings", &[])
        .await
        .unwrap();
    rows.iter()
        .map(|row| format!("message:{}", row.get::<_, i64>(0)))
        .collect()
}

/// A reader that does as it is told: after a gap it reads Postgres, else it notes what it hears.
struct Reader {
    subscriber: Subscriber,
    knows: BTreeSet<String>,
    gaps: usize,
}

impl Reader {
    fn new(redis: &Redis, group: &str) -> Self {
        Self {
            subscriber: Subscriber::new(redis.clone(), group, "a", SILENT_MAX),
            knows: BTreeSet::new(),
            gaps: 0,
        }
    }

    /// What it hears next, until it knows all of these; Redis may be away meanwhile.
    async fn until_it_knows(&mut self, house: &House, wanted: &BTreeSet<String>) {
        let hearing = async {
            while !self.knows.is_superset(wanted) {
                let Ok(heard) = self.subscriber.next().await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                match heard {
                    Heard::Events(events) => {
                        self.knows.extend(events.into_iter().map(|event| event.id));
                    }
                    Heard::Gap => {
                        self.gaps += 1;
                        self.knows.extend(ended(house).await);
                    }
                }
                // What is not acknowledged comes again, which a set does not mind.
                drop(self.subscriber.done().await);
            }
        };
        tokio::time::timeout(Duration::from_secs(20), hearing)
            .await
            .expect("the live bus did not catch up");
    }

    async fn hears(&mut self) -> Vec<LiveEvent> {
        let heard = async {
            loop {
                let heard = self.subscriber.next().await.unwrap();
                self.subscriber.done().await.unwrap();
                if let Heard::Events(events) = heard {
                    return events;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(15), heard)
            .await
            .expect("nothing was heard")
    }
}

#[tokio::test]
async fn an_ending_is_heard_with_its_trace_and_its_times() {
    let redis = shared();
    let (house, _queue) = publishing(&redis).await;
    let worker = house.worker("a").await;
    let mut reader = Reader::new(&redis, "pages");
    let given = message("in:1");

    let receipt = house.accept(given.clone()).await;
    let claimed = worker.claim().await.remove(0);
    worker.settle(end(&claimed, Verdict::Done)).await;

    let event = reader.hears().await.remove(0);
    let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!(event.id, format!("message:{}", receipt.id.0));
    assert_eq!(event.name, "message.ended");
    assert_eq!(event.trace, given.trace.trace_id.to_string());
    assert_eq!(data["kind"], "telegram.update");
    assert_eq!(
        (&data["bot"], &data["tenant"]),
        (&"ops".into(), &"ops".into())
    );
    assert_eq!(data["outcome"], "done");
    assert!(data["accepted_at"].is_string() && data["ended_at"].is_string());
}

#[tokio::test]
async fn other_news_are_heard_and_what_was_rolled_back_is_not() {
    let redis = shared();
    let (house, queue) = publishing(&redis).await;
    let mut reader = Reader::new(&redis, "pages");
    let pools = house.database.pools();
    let mut connection = pools.handlers().unwrap().get().await.unwrap();

    let transaction = connection.transaction().await.unwrap();
    live::tell(&transaction, &News::new("never.happened"))
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    queue
        .control()
        .pause(&Scope::Everything, "ada", "trying")
        .await
        .unwrap();

    assert_eq!(reader.hears().await[0].name, "queue.paused");
}

#[tokio::test]
async fn a_transaction_that_commits_late_is_not_skipped() {
    let redis = shared();
    let (house, queue) = publishing(&redis).await;
    let mut reader = Reader::new(&redis, "pages");
    let pools = house.database.pools();
    let mut connection = pools.handlers().unwrap().get().await.unwrap();

    let late = connection.transaction().await.unwrap();
    live::tell(&late, &News::new("late")).await.unwrap();
    for _ in 0..3 {
        queue.tell(&News::new("early")).await.unwrap();
        // Others are published meanwhile: nobody waits for the late one.
        assert_eq!(reader.hears().await[0].name, "early");
    }
    late.commit().await.unwrap();

    assert_eq!(reader.hears().await[0].name, "late");
}

#[tokio::test]
async fn two_groups_hear_exactly_what_ended_through_every_fault() {
    let mut server = OwnServer::start();
    let redis = open(&server.settings());
    let (house, first) = publishing(&redis).await;
    let second = another_publisher(&house, &redis).await;
    let worker = house.worker("a").await;
    let (mut pages, mut caches) = (Reader::new(&redis, "pages"), Reader::new(&redis, "caches"));

    work_off(&house, &worker, 1_500).await;
    pages.until_it_knows(&house, &ended(&house).await).await;
    // A consumer crashes with something in its hands.
    work_off(&house, &worker, 300).await;
    let in_hand = tokio::time::timeout(Duration::from_secs(15), pages.subscriber.next()).await;
    in_hand.expect("nothing was heard").unwrap();
    let mut pages = Reader {
        knows: pages.knows,
        ..Reader::new(&redis, "pages")
    };
    // The publisher leaves, Redis is killed, messages go on, Redis comes back empty.
    first.close().await;
    server.kill();
    work_off(&house, &worker, 700).await;
    server.restart();
    work_off(&house, &worker, 100).await;

    let all = ended(&house).await;
    pages.until_it_knows(&house, &all).await;
    caches.until_it_knows(&house, &all).await;
    assert_eq!((&pages.knows, &caches.knows), (&all, &all));
    second.close().await;
}

#[tokio::test]
async fn what_ended_while_redis_was_dead_is_published_when_it_is_back() {
    let mut server = OwnServer::start();
    let redis = open(&server.settings());
    let (house, _queue) = publishing(&redis).await;
    let worker = house.worker("a").await;

    server.kill();
    work_off(&house, &worker, 1_200).await;
    server.restart();

    // The whole stream, past every reader: nothing was left out, whoever may have been told of a gap.
    let mut reader = Reader::new(&redis, "pages");
    let all = ended(&house).await;
    let published = async {
        let mut heard = BTreeSet::new();
        while heard.len() < all.len() {
            heard.extend(reader.hears().await.into_iter().map(|event| event.id));
        }
        heard
    };
    let published = tokio::time::timeout(Duration::from_secs(10), published).await;
    assert_eq!(published.expect("not within ten seconds"), all);
}

#[tokio::test]
async fn a_publisher_that_fell_silent_is_replaced() {
    let redis = shared();
    let (house, _queue) = publishing(&redis).await;
    house
        .change("UPDATE live_publisher SET holder = 'gone', until = now() + interval '2 seconds'")
        .await;

    let leads = "SELECT count(*) FROM live_publisher WHERE holder <> 'gone'";
    wait_until("somebody else leads", async || {
        house.count(leads).await == 1
    })
    .await;
}

#[tokio::test]
async fn a_new_day_of_the_log_knows_its_transactions_too() {
    let house = House::new().await;
    house.queue.janitor().sweep().await.unwrap();
    let worker = house.worker("a").await;

    work_off(&house, &worker, 3).await;

    assert_eq!(
        house
            .count("SELECT count(*) FROM endings WHERE xid IS NOT NULL")
            .await,
        3
    );
    let unindexed = "SELECT count(*) FROM pg_inherits i WHERE i.inhparent = 'endings'::regclass AND NOT EXISTS (
        SELECT FROM pg_indexes x WHERE x.tablename = i.inhrelid::regclass::text AND x.indexdef LIKE '%(xid)%')";
    assert_eq!(house.count(unindexed).await, 0);
}
