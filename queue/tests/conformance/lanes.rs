//! Turns between tenants at the claim, and what a claim costs however much waits.

use sallyport_queue::{ClaimRequest, Claimed, Key, NewMessage, Partition, PartitionClaim};

use crate::house::{House, Worker, end, ids, message};

/// The one partition that the backlog is in.
fn in_one() -> Partition {
    Key::new("full").partition()
}

/// A backlog of one loud tenant, with a few messages of another behind it.
const BACKLOG: &str = "
    INSERT INTO queue (id, day, partition, priority, lane, kind, key)
    SELECT number, current_date, PARTITION, 0, queue_lane('loud'), 'noop', 'k' || number FROM generate_series(1, 20000) AS number;
    INSERT INTO queue (id, day, partition, priority, lane, kind, key)
    SELECT number, current_date, PARTITION, 0, queue_lane('quiet'), 'noop', 'q' || number FROM generate_series(20001, 20004) AS number;
    INSERT INTO messages (id, day, bot, tenant, source, kind, kind_version, key, partition, priority, payload,
                          payload_format, trace, trace_id)
    SELECT id, day, 'ops', 'ops', 'ops', kind, 1, key, partition, priority, '{}', 0,
           decode(repeat('01', 25), 'hex'), decode(repeat('01', 16), 'hex')
    FROM queue;
    ANALYZE queue";

async fn backlog(house: &House) {
    let partition = in_one().index().to_string();
    house
        .change(&BACKLOG.replace("PARTITION", &partition))
        .await;
}

async fn claim_of_one(worker: &Worker, messages_max: u16) -> Vec<Claimed> {
    let partitions: Vec<PartitionClaim> = worker
        .everywhere(messages_max)
        .into_iter()
        .filter(|claim| claim.partition == in_one())
        .collect();
    let request = ClaimRequest {
        partitions: &partitions,
        ..ClaimRequest::default()
    };
    worker.store.claim(&request).await.unwrap().messages
}

async fn settle_all(worker: &Worker, claimed: &[Claimed]) {
    for message in claimed {
        worker
            .settle(end(message, sallyport_queue::Verdict::Done))
            .await;
    }
}

#[tokio::test]
async fn a_quiet_tenant_does_not_wait_behind_the_backlog_of_a_loud_one() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    backlog(&house).await;

    let first = claim_of_one(&worker, 8).await;
    settle_all(&worker, &first).await;
    let second = claim_of_one(&worker, 8).await;

    let quiet = |claimed: &[Claimed]| {
        claimed
            .iter()
            .filter(|message| message.id.0 > 20_000)
            .count()
    };
    assert_eq!(quiet(&first) + quiet(&second), 4);
}

#[tokio::test]
async fn rows_without_a_lane_are_claimed_strictly_by_number_together_with_the_others() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let first = house.accept(message("in:1")).await;
    let second = house.accept(message("in:1")).await;
    let third = house.accept(message("in:1")).await;
    house
        .change(&format!(
            "UPDATE queue SET lane = 0 WHERE id = {}",
            second.id
        ))
        .await;

    let claimed = worker.claim_watched(2, &[], &[]).await.messages;

    assert_eq!(ids(&claimed), [first.id, second.id]);
    let rest = worker.claim_watched(2, &claimed, &[]).await.messages;
    assert_eq!(ids(&rest), [third.id]);
}

#[tokio::test]
async fn every_way_onto_the_queue_gives_a_tenants_messages_their_lane() {
    let house = House::new().await;
    house.accept(message("in:1")).await;
    let tenant = NewMessage {
        tenant: "other".to_owned(),
        ..message("in:2")
    };
    house.accept(tenant).await;

    assert_eq!(
        house
            .count("SELECT count(*) FROM queue q JOIN messages m USING (id, day) WHERE q.lane = queue_lane(m.tenant) AND q.lane > 0")
            .await,
        2
    );
    assert_eq!(
        house.count("SELECT count(DISTINCT lane) FROM queue").await,
        2
    );
}

/// How many index entries and rows of the queue were read since the statistics were last looked at.
async fn rows_read(house: &House) -> i64 {
    house.change("SELECT pg_stat_force_next_flush()").await;
    house
        .count("SELECT (seq_tup_read + idx_tup_fetch)::int8 FROM pg_stat_user_tables WHERE relname = 'queue'")
        .await
}

#[tokio::test]
async fn a_claim_reads_hardly_more_than_it_takes_behind_one_full_key_and_ten_thousand_held_ones() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    backlog(&house).await;
    house
        .change(
            "UPDATE queue SET key = 'full', state = 2 WHERE id <= 10000;
             UPDATE queue SET key = 'held' || id % 5000, state = 2 WHERE id BETWEEN 10001 AND 19900;
             ANALYZE queue",
        )
        .await;
    for _ in 0..6 {
        worker.claim_watched(4, &[], &[]).await;
    }
    let before = rows_read(&house).await;

    let taken = worker.claim_watched(16, &[], &[("full", 8)]).await;

    assert_eq!((taken.messages.len(), taken.looked.len()), (16, 8));
    // The statistics of other sessions come when these are idle: waited for by asking until the claim's own are there.
    let read = rows_read(&house).await - before;
    assert!(read < 400, "{read} rows were read");
}

#[tokio::test]
async fn a_long_queue_is_summed_up_by_estimate_and_close_to_the_truth() {
    let house = House::new().await;
    backlog(&house).await;
    house
        .change("UPDATE queue SET state = 1, ready_at = now() + interval '1 hour' WHERE id <= 4000; ANALYZE queue")
        .await;

    let summary = house.queue.inspect().summary().await.unwrap();

    let kind = &summary.kinds[0];
    assert!(summary.estimated);
    assert!((14_000..=18_000).contains(&kind.ready), "{}", kind.ready);
    assert!((3_000..=5_000).contains(&kind.delayed), "{}", kind.delayed);
    assert!(kind.oldest_ready.is_some());
}
