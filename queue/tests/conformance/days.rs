//! The memory of the queue (law L12).

use std::time::Duration;

use sallyport_queue::{ErrorNote, Settings, Verdict};

use crate::house::{House, delivery, end, message, only};

/// Makes everything of today look as if it had happened so many days ago, in a partition of that day.
async fn turn_back(house: &House, days: u32) {
    house.queue.janitor().sweep().await.unwrap();
    let day = format!("(now() AT TIME ZONE 'utc')::date - {days}");
    house
        .change(&format!(
            "DO $$ DECLARE d date := {day}; t text; BEGIN
                 FOREACH t IN ARRAY ARRAY['messages', 'attempts', 'endings'] LOOP
                     EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                                    t || to_char(d, '_YYYYMMDD'), t, d, d + 1);
                     EXECUTE format('ALTER TABLE %I OWNER TO sallyport_janitor', t || to_char(d, '_YYYYMMDD'));
                     EXECUTE format('UPDATE %I SET day = %L', t, d);
                 END LOOP;
                 UPDATE queue SET day = d;
             END $$"
        ))
        .await;
}

#[tokio::test]
async fn days_are_made_ahead_and_only_once() {
    let house = House::new().await;

    let first = house.queue.janitor().sweep().await.unwrap();
    let second = house.queue.janitor().sweep().await.unwrap();

    assert_eq!(first.made.len(), 8);
    assert!(second.made.is_empty());
}

#[tokio::test]
async fn rows_that_waited_in_the_default_partition_move_into_their_day() {
    let house = House::new().await;
    let receipt = house.accept(message("in:1")).await;
    assert_eq!(
        house.count("SELECT count(*) FROM messages_default").await,
        1
    );

    house.queue.janitor().sweep().await.unwrap();

    assert_eq!(
        house.count("SELECT count(*) FROM messages_default").await,
        0
    );
    let kept = format!("SELECT count(*) FROM messages WHERE id = {}", receipt.id);
    assert_eq!(house.count(&kept).await, 1);
}

/// As many messages as these numbers, by an edge in the days when nobody made days.
async fn fill(house: &House, numbers: std::ops::RangeInclusive<i32>) {
    let (from, to) = (numbers.start(), numbers.end());
    house
        .change(&format!(
            "INSERT INTO messages (id, day, bot, tenant, source, kind, kind_version, key, partition, priority, payload,
                                   payload_format, trace, trace_id)
             SELECT id, (now() AT TIME ZONE 'utc')::date, 'test', 'test', 'test', 'test.kind', 1, 'in:1', 0, 0, '', 0, '', ''
             FROM generate_series({from}, {to}) AS id"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_misses_the_rows_that_move() {
    const ROWS: i64 = 8_000;
    let house = House::new().await;
    fill(&house, 1..=8_000).await;
    let reader = house.database.owner().await;

    let janitor = house.queue.janitor();
    let sweep = janitor.sweep();
    let (mut counts, mut swept) = (Vec::new(), std::pin::pin!(sweep));
    let swept = loop {
        tokio::select! {
            swept = &mut swept => break swept.unwrap(),
            row = reader.query_one("SELECT count(*) FROM messages", &[]) => {
                counts.push(row.unwrap().get::<_, i64>(0));
            }
        }
    };

    assert!(counts.len() > 5, "{}", counts.len());
    assert!(counts.iter().all(|count| *count == ROWS), "{counts:?}");
    assert_eq!(swept.made.len(), 8);
}

#[tokio::test]
async fn a_day_with_too_much_to_move_stays_where_it_is() {
    let house = House::new().await;
    fill(&house, 1..=10_001).await;

    let swept = house.queue.janitor().sweep().await.unwrap();
    fill(&house, 10_002..=10_002).await;

    let waiting = "SELECT count(*) FROM messages_default";
    assert_eq!(house.count(waiting).await, 10_002);
    assert_eq!(swept.made.len(), 8, "the other tables and days are made");
    let tomorrow = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'messages'::regclass";
    assert_eq!(house.count(tomorrow).await, 8, "seven days and the default");
    let promises = "SELECT count(*) FROM pg_constraint WHERE conname = 'nothing_ahead'";
    assert_eq!(house.count(promises).await, 0);
}

#[tokio::test]
async fn l12_an_old_day_goes_with_its_pairs_and_a_young_one_stays() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    house.accept(delivery("1")).await;
    let claimed = only(worker.claim().await);
    worker.settle(end(&claimed, Verdict::Done)).await;
    turn_back(&house, 8).await;
    house.accept(delivery("2")).await;

    let swept = house.queue.janitor().sweep().await.unwrap();

    assert_eq!(
        (swept.dropped.len(), swept.carried, swept.deliveries),
        (1, 0, 1)
    );
    assert_eq!(house.count("SELECT count(*) FROM endings").await, 0);
    assert!(!house.accept(delivery("1")).await.duplicate);
    assert!(house.accept(delivery("2")).await.duplicate);
}

#[tokio::test]
async fn l12_a_message_snoozed_for_ten_days_survives_the_drop_of_its_day() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let receipt = house.accept(delivery("1")).await;
    let error = ErrorNote::new("timeout", "the first failure");
    let claimed = only(worker.claim().await);
    worker
        .settle(end(
            &claimed,
            Verdict::Retry {
                after: Duration::ZERO,
                error,
            },
        ))
        .await;
    let claimed = only(worker.claim().await);
    worker
        .settle(end(
            &claimed,
            Verdict::Snooze {
                for_: Duration::from_secs(10 * 86_400),
            },
        ))
        .await;
    turn_back(&house, 8).await;

    let swept = house.queue.janitor().sweep().await.unwrap();
    assert_eq!((swept.dropped.len(), swept.carried), (1, 1));

    house.change("UPDATE queue SET ready_at = now()").await;
    let partitions: Vec<_> = sallyport_queue::Partition::all().collect();
    worker.store.promote(&partitions).await.unwrap();
    let claimed = only(worker.claim().await);
    assert_eq!(
        (claimed.id, claimed.attempts, &claimed.payload[..]),
        (receipt.id, 1, &b"{}"[..])
    );
    let story = only(
        house
            .queue
            .inspect()
            .by_trace(receipt.trace.trace_id)
            .await
            .unwrap(),
    );
    assert_eq!(
        story.attempts[0].error_text.as_deref(),
        Some("the first failure")
    );
    assert!(house.accept(delivery("1")).await.duplicate);
}

#[tokio::test]
async fn a_message_in_hand_can_still_be_settled_after_it_was_carried_into_another_day() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    house.accept(message("in:1")).await;
    turn_back(&house, 8).await;
    let claimed = only(worker.claim().await);
    house.queue.janitor().sweep().await.unwrap();

    let error = ErrorNote::new("schema", "");
    worker.settle(end(&claimed, Verdict::Dead { error })).await;

    assert_eq!(
        house
            .count("SELECT count(*) FROM dead_letters WHERE payload = '{}'")
            .await,
        1
    );
}

#[tokio::test]
async fn a_day_that_is_locked_stays_until_the_next_visit() {
    let house = House::with(Settings {
        keep_days: 1,
        ..Settings::default()
    })
    .await;
    house.accept(message("in:1")).await;
    turn_back(&house, 3).await;
    let reader = house.database.owner().await;
    reader
        .batch_execute("BEGIN; SELECT FROM messages")
        .await
        .unwrap();

    let refused = house.queue.janitor().sweep().await;
    assert!(refused.is_err());

    reader.batch_execute("COMMIT").await.unwrap();
    assert_eq!(
        house.queue.janitor().sweep().await.unwrap().dropped.len(),
        1
    );
}

#[tokio::test]
async fn what_nobody_asks_for_any_more_is_forgotten_and_what_is_young_or_waits_stays() {
    let house = House::new().await;
    let waiting = house.accept(message("in:1")).await;
    house
        .change(&format!(
            "INSERT INTO unique_messages (bot, name, message_id, partition, priority, touched_at)
             SELECT 'ops', 'waits', id, partition, priority, now() - interval '9 days' FROM queue WHERE id = {};
             INSERT INTO unique_messages (bot, name, message_id, partition, priority, touched_at)
             SELECT 'ops', 'old ' || n, -n, 0, 0, now() - interval '9 days' FROM generate_series(1, 1200) n;
             INSERT INTO unique_messages (bot, name, message_id, partition, priority) VALUES ('ops', 'young', -1, 0, 0);
             INSERT INTO replayed (old_id, new_id, at) VALUES (1, 2, now() - interval '9 days'), (3, 4, now());
             INSERT INTO rates (room, tokens, at) VALUES ('old', 1, now() - interval '9 days'), ('young', 1, now());
             INSERT INTO replays (asked_by, why, filter, forced, per_second, state, until_id, ended_at) VALUES
                 ('a', 'b', '{{}}', false, 1, 'done', 0, now() - interval '98 days'),
                 ('a', 'b', '{{}}', false, 1, 'done', 0, now() - interval '30 days'),
                 ('a', 'b', '{{}}', false, 1, 'running', 0, null)",
            waiting.id
        ))
        .await;

    let swept = house.queue.janitor().sweep().await.unwrap();

    assert_eq!(swept.pruned, 1200 + 1 + 1 + 1);
    for (table, left) in [
        ("unique_messages", 2),
        ("replayed", 1),
        ("rates", 1),
        ("replays", 2),
    ] {
        let rows = house.count(&format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(rows, left, "{table}");
    }
}
