//! While Postgres is away: laws L1, L2 and L3 across the disk of the edge and the tables.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use sallyport_postgres::testing::TestDatabase;
use sallyport_queue::{AcceptError, Accepted, Intake, Key, NewMessage, Queue, Settings, spool};
use tokio_postgres::Client;

use crate::house::{delivery, message, wait_until};

/// An edge with a spool of its own, and the database that it may lose.
struct Edge {
    database: TestDatabase,
    home: tempfile::TempDir,
    queue: Queue,
    intake: Intake,
}

impl Edge {
    async fn open() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let database = TestDatabase::create().await;
        let home = tempfile::tempdir().unwrap();
        let mut settings = settings(home.path());
        change(&mut settings);
        let queue = Queue::open_edge(database.pools(), settings).await.unwrap();
        queue.start_spool().await;
        let intake = queue.intake();
        Self {
            database,
            home,
            queue,
            intake,
        }
    }

    /// Stops and starts again, as another process on the same folder.
    async fn restart(&mut self) {
        self.queue.close().await;
        let settings = settings(self.home.path());
        self.queue = Queue::open_edge(self.database.pools(), settings)
            .await
            .unwrap();
        self.queue.start_spool().await;
        self.intake = self.queue.intake();
    }

    async fn accept(&self, message: NewMessage) -> Accepted {
        self.intake.accept(message).await.unwrap()
    }

    async fn is_drained(&self) {
        wait_until("the spool is empty", || async {
            self.queue.spool().unwrap().fill.records == 0
        })
        .await;
    }

    async fn owner(&self) -> Client {
        self.database.owner().await
    }

    async fn count(&self, question: &str) -> i64 {
        self.owner()
            .await
            .query_one(question, &[])
            .await
            .unwrap()
            .get(0)
    }

    /// The delivery ids of a key in the order of the queue.
    async fn order(&self, key: &str) -> Vec<String> {
        let question = "SELECT delivery_id FROM messages WHERE key = $1 ORDER BY id";
        let rows = self.owner().await.query(question, &[&key]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

fn settings(home: &Path) -> Settings {
    Settings {
        spool: spool::Settings {
            directory: home.join("spool"),
            segment_bytes: 4_096,
            replay_batch_max: 20,
            ..spool::Settings::default()
        },
        ..Settings::default()
    }
}

fn said(number: usize) -> NewMessage {
    NewMessage {
        key: Key::new(&key(number)),
        ..delivery(&format!("{number:05}"))
    }
}

fn key(number: usize) -> String {
    format!("in:{}", number % 3)
}

fn is_spooled(accepted: &Accepted) -> bool {
    accepted.stored().is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn l3_order_is_kept_across_the_spool_and_the_table_and_nothing_is_lost_or_doubled() {
    let edge = Edge::open().await;
    let mut sent = 0;
    let mut send = async || {
        sent += 1;
        edge.accept(said(sent)).await
    };

    for _ in 0..10 {
        assert!(!is_spooled(&send().await));
    }
    edge.database.take_away().await;
    for _ in 0..100 {
        assert!(is_spooled(&send().await));
    }
    edge.database.give_back().await;
    // Under traffic: the way back must not be overtaken either.
    while is_spooled(&send().await) {}
    for _ in 0..10 {
        send().await;
    }

    edge.is_drained().await;
    assert_eq!(
        edge.count("SELECT count(*) FROM messages").await,
        i64::try_from(sent).unwrap()
    );
    for number in 0..3 {
        let order = edge.order(&key(number)).await;
        assert!(order.is_sorted(), "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn during_an_outage_accepts_are_quick_and_share_flushes() {
    let edge = Edge::open().await;
    edge.accept(said(0)).await;
    edge.database.take_away().await;
    edge.accept(said(1)).await;

    let began = Instant::now();
    let accepted = join_all((2..1_002).map(|number| edge.accept(said(number)))).await;

    assert!(accepted.iter().all(is_spooled));
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    edge.database.give_back().await;
    edge.is_drained().await;
    assert_eq!(edge.count("SELECT count(*) FROM queue").await, 1_002);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_starts_while_postgres_is_away_accepts_at_once() {
    let mut edge = Edge::open().await;
    edge.database.take_away().await;
    edge.restart().await;

    assert!(is_spooled(&edge.accept(said(1)).await));
    edge.restart().await;
    assert!(is_spooled(&edge.accept(said(4)).await));
    edge.database.give_back().await;

    edge.is_drained().await;
    assert_eq!(edge.order(&key(1)).await, ["00001", "00004"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_what_is_replayed_twice_is_stored_once_with_and_without_ids_of_its_source() {
    let mut edge = Edge::open().await;
    edge.database.take_away().await;
    let alert = message("alerts");
    for _ in 0..2 {
        assert!(is_spooled(&edge.accept(alert.clone()).await));
        assert!(is_spooled(&edge.accept(said(7)).await));
    }
    edge.queue.close().await;
    let kept = copy(&slot(edge.home.path(), 0));
    edge.database.give_back().await;
    edge.restart().await;
    edge.is_drained().await;
    let stored = edge.count("SELECT count(*) FROM messages").await;

    // A crash between the commit and the note that it happened: everything comes again.
    edge.queue.close().await;
    put_back(&kept, &slot(edge.home.path(), 0));
    edge.restart().await;
    edge.is_drained().await;

    assert_eq!(stored, 3, "two alerts, and one delivery that came twice");
    assert_eq!(edge.count("SELECT count(*) FROM messages").await, stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_does_not_answer_in_time_gets_the_message_later_and_once() {
    let edge = Edge::open().await;
    edge.accept(said(1)).await;
    let lock = edge.owner().await;
    lock.batch_execute("BEGIN; LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();

    let began = Instant::now();
    assert!(is_spooled(&edge.accept(said(4)).await));
    let first = began.elapsed();
    let began = Instant::now();
    assert!(is_spooled(&edge.accept(said(7)).await));
    let second = began.elapsed();
    lock.batch_execute("ROLLBACK").await.unwrap();

    edge.is_drained().await;
    assert!(first < Duration::from_secs(2), "{first:?}");
    assert!(second < Duration::from_millis(500), "{second:?}");
    assert_eq!(edge.order(&key(1)).await, ["00001", "00004", "00007"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn l3_what_was_given_up_and_is_stored_after_all_is_not_overtaken_by_what_was_spooled_behind_it()
 {
    const RESERVE: &str = "BEGIN; INSERT INTO deliveries (source, delivery_id, message_id, trace) \
         SELECT source, '00004', 0, trace FROM deliveries WHERE delivery_id = '00001'";
    const STORE: &str = "UPDATE deliveries SET message_id = nextval('message_order') WHERE delivery_id = '00004'; \
         INSERT INTO messages (id, day, bot, tenant, source, delivery_id, kind, kind_version, key, partition, priority, \
                               payload, payload_format, trace, trace_id, accepted_at) \
         SELECT d.message_id, day, bot, tenant, m.source, d.delivery_id, kind, kind_version, key, partition, priority, \
                payload, payload_format, m.trace, trace_id, now() \
         FROM messages m, deliveries d WHERE m.delivery_id = '00001' AND d.delivery_id = '00004'; \
         COMMIT";
    let edge = Edge::open().await;
    edge.accept(said(1)).await;
    let late = edge.owner().await;

    late.batch_execute(RESERVE).await.unwrap();
    assert!(is_spooled(&edge.accept(said(4)).await));
    assert!(is_spooled(&edge.accept(said(7)).await));
    // The replay that begins now may have read the spool before the second was in it.
    let later = "SELECT (clock_timestamp() + interval '1 second')::text";
    let later: String = late.query_one(later, &[]).await.unwrap().get(0);
    let waiting = format!(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock' AND query_start > '{later}'"
    );
    wait_until("a replay of both waits for it", || async {
        edge.count(&waiting).await > 0
    })
    .await;
    late.batch_execute(STORE).await.unwrap();

    edge.is_drained().await;
    assert_eq!(edge.order(&key(1)).await, ["00001", "00004", "00007"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_postgres_is_one_that_is_away() {
    let edge = Edge::open().await;
    let owner = edge.owner().await;
    let read_only = |value| {
        format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = {value}', current_database()); END $$"
        )
    };
    owner.batch_execute(&read_only("on")).await.unwrap();

    assert!(is_spooled(&edge.accept(said(1)).await));
    owner
        .batch_execute(&format!(
            "SET default_transaction_read_only = off; {}",
            read_only("off")
        ))
        .await
        .unwrap();
    owner
        .batch_execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        .await
        .unwrap();

    edge.is_drained().await;
    assert_eq!(edge.order(&key(1)).await, ["00001"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_full_spool_nothing_is_promised_until_there_is_room_again() {
    let edge = Edge::with(|settings| settings.spool.bytes_max = 65_536).await;
    edge.database.take_away().await;
    let large = |number: usize| NewMessage {
        payload: Bytes::from(vec![b'x'; 10_000]),
        ..said(number)
    };
    let mut kept = 0;
    let refused = loop {
        match edge.intake.accept(large(kept)).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };

    assert!(
        matches!(refused, AcceptError::Unavailable { .. }),
        "{refused:?}"
    );
    assert!((3..8).contains(&kept), "{kept}");
    edge.database.give_back().await;
    edge.is_drained().await;
    edge.accept(large(99)).await;
    edge.is_drained().await;
    assert_eq!(
        edge.count("SELECT count(*) FROM messages").await,
        i64::try_from(kept).unwrap() + 1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_table_refuses_is_kept_for_people_and_holds_up_nobody() {
    let edge = Edge::open().await;
    let check = "ALTER TABLE messages_default ADD CHECK (subject <> 'poison')";
    edge.owner().await.batch_execute(check).await.unwrap();
    edge.database.take_away().await;
    let poison = NewMessage {
        subject: Some("poison".to_owned()),
        ..said(4)
    };
    for one in [said(1), poison, said(7)] {
        assert!(is_spooled(&edge.accept(one).await));
    }
    edge.database.give_back().await;

    edge.is_drained().await;
    assert_eq!(edge.order(&key(1)).await, ["00001", "00007"]);
    assert_eq!(edge.queue.spool().unwrap().quarantined, 1);
    assert_eq!(files(&slot(edge.home.path(), 0), "damaged").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_message_may_take_counts_from_when_it_was_accepted() {
    let edge = Edge::open().await;
    edge.database.take_away().await;
    let hurried = NewMessage {
        expires_in: Some(Duration::from_secs(3_600)),
        ..said(1)
    };
    edge.accept(hurried).await;
    let accepted_at = jiff::Timestamp::now();
    edge.database.give_back().await;
    edge.is_drained().await;

    let owner = edge.owner().await;
    let row = owner
        .query_one(
            "SELECT accepted_at, extract(epoch FROM expires_at - accepted_at)::int8 FROM messages",
            &[],
        )
        .await
        .unwrap();
    let stored: jiff::Timestamp = row.get(0);
    let off = accepted_at.duration_since(stored).as_millis().abs();
    assert!(off < 500, "accepted {off} ms off");
    assert_eq!(row.get::<_, i64>(1), 3_600);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_edge_leaves_behind_is_replayed_by_the_one_beside_it() {
    let first = Edge::open().await;
    let beside = settings(first.home.path());
    let second = Queue::open_edge(first.database.pools(), beside)
        .await
        .unwrap();
    second.start_spool().await;
    first.database.take_away().await;
    for number in 0..20 {
        assert!(is_spooled(&first.accept(said(number)).await));
    }
    first.queue.close().await;
    first.database.give_back().await;

    wait_until("the slot of the first is empty", || async {
        files(&slot(first.home.path(), 0), "segment").is_empty()
    })
    .await;

    assert_eq!(first.count("SELECT count(*) FROM messages").await, 20);
    assert_eq!(second.spool().unwrap().fill.records, 0);
}

fn slot(home: &Path, number: u32) -> PathBuf {
    home.join("spool").join(number.to_string())
}

fn files(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == kind))
        .collect()
}

fn copy(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

fn put_back(kept: &[(PathBuf, Vec<u8>)], folder: &Path) {
    for (path, bytes) in kept {
        assert!(path.starts_with(folder));
        std::fs::write(path, bytes).unwrap();
    }
}
