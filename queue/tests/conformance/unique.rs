//! Unique messages: of all that share a name, one waits (ADR 0010). Exact against other accepts and against claims.

use std::time::Duration;

use bytes::Bytes;
use sallyport_queue::{
    Claimed, ErrorNote, MessageId, NewMessage, Partition, Promoted, Settled, State, Unique,
    UniqueMode, Verdict,
};

use crate::house::{House, Worker, end, message, only, wait_until};

/// A message called `digest`, with these words in it.
fn called(mode: UniqueMode, words: &'static str) -> NewMessage {
    NewMessage {
        payload: Bytes::from_static(words.as_bytes()),
        unique: Some(Unique {
            name: "digest".to_owned(),
            mode,
        }),
        ..message("in:1")
    }
}

fn later(mode: UniqueMode, words: &'static str) -> NewMessage {
    NewMessage {
        delay: Some(Duration::from_secs(60)),
        ..called(mode, words)
    }
}

async fn promote(worker: &Worker) -> Promoted {
    let all: Vec<Partition> = Partition::all().collect();
    worker.store.promote(&all).await.unwrap()
}

/// What becomes claimable at once.
async fn due(worker: &Worker) -> Vec<Claimed> {
    promote(worker).await;
    worker.claim().await
}

async fn state_of(house: &House, id: MessageId) -> State {
    let row = "SELECT trace_id FROM messages WHERE id = $1";
    let row = house.owner.query_one(row, &[&id.0]).await.unwrap();
    let trace: [u8; 16] = row.get::<_, &[u8]>(0).try_into().unwrap();
    let trace = sallyport_telemetry::trace::TraceId::from_bytes(trace);
    only(house.queue.inspect().by_trace(trace).await.unwrap()).state
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_are_one_message_and_all_are_told_its_number() {
    let house = House::new().await;
    let accepts = (0..50).map(|_| house.accept(later(UniqueMode::Ignore, "{}")));

    let receipts = futures::future::join_all(accepts).await;

    assert_eq!(house.count("SELECT count(*) FROM queue").await, 1);
    assert_eq!(house.count("SELECT count(*) FROM messages").await, 1);
    let first = receipts.iter().find(|receipt| !receipt.duplicate).unwrap();
    assert_eq!(
        receipts.iter().filter(|receipt| !receipt.duplicate).count(),
        1
    );
    assert!(
        receipts
            .iter()
            .all(|receipt| (receipt.id, receipt.trace) == (first.id, first.trace))
    );
}

#[tokio::test]
async fn a_replacement_takes_the_place_and_the_start_and_the_one_before_ends_as_cancelled() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let old = house.accept(later(UniqueMode::Replace, "old")).await;

    let new = house.accept(called(UniqueMode::Replace, "new")).await;

    assert!(!new.duplicate && new.id != old.id);
    assert_eq!(
        due(&worker).await.len(),
        0,
        "it starts when the old one would have"
    );
    house.change("UPDATE queue SET ready_at = now()").await;
    let claimed = only(due(&worker).await);
    assert_eq!((claimed.id, &claimed.payload[..]), (new.id, &b"new"[..]));
    assert_eq!(state_of(&house, old.id).await.as_str(), "cancelled");
}

/// The worst moment: the promotion has turned it ready, its claim is under way, the repeat comes.
#[tokio::test]
async fn a_repeat_against_a_claim_in_flight_is_never_lost_and_runs_once_after_it() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let old = house.accept(called(UniqueMode::Replace, "old")).await;
    promote(&worker).await;
    let mut claiming = house.database.owner().await;
    let claim = claiming.transaction().await.unwrap();
    claim
        .execute(
            "INSERT INTO claims (worker, partitions, tokens, priorities, ids)
             SELECT 'a', array[partition], array[1], array[priority], array[id] FROM queue",
            &[],
        )
        .await
        .unwrap();

    let repeat = house.accept(called(UniqueMode::Replace, "new")).await;
    let once_more = house.accept(called(UniqueMode::Replace, "newest")).await;
    claim.rollback().await.unwrap();

    assert!(repeat.id != old.id && once_more.id != repeat.id);
    let begun = only(worker.claim().await);
    assert_eq!(begun.id, old.id, "what was ready is not touched");
    assert_eq!(
        promote(&worker).await.promoted,
        0,
        "the next one waits until it is gone"
    );
    assert_eq!(
        worker.settle(end(&begun, Verdict::Done)).await,
        Settled::Durable
    );
    house.change("UPDATE queue SET ready_at = now()").await;
    let next = only(due(&worker).await);
    assert_eq!((next.id, &next.payload[..]), (once_more.id, &b"newest"[..]));
}

/// Between the promotion's lock and its commit nobody can say "it waits": a repeat that did would be lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_waits_for_a_promotion_in_flight_and_is_a_new_message_then() {
    let house = House::new().await;
    let old = house.accept(called(UniqueMode::Ignore, "old")).await;
    let mut promoting = house.database.owner().await;
    let promotion = promoting.transaction().await.unwrap();
    promotion
        .execute("UPDATE queue SET state = 0", &[])
        .await
        .unwrap();

    let commit = async {
        wait_until("the repeat waits for the row", || async {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
            house.count(waiting).await > 0
        })
        .await;
        promotion.commit().await.unwrap();
    };
    let (repeat, ()) = tokio::join!(house.accept(called(UniqueMode::Ignore, "new")), commit);

    assert!(!repeat.duplicate && repeat.id != old.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn however_repeats_and_promotions_meet_every_begun_one_is_whole_and_the_newest_runs() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let mut handled: Vec<MessageId> = Vec::new();
    let mut newest = MessageId(0);
    for _ in 0..30 {
        let repeats = async {
            let one = house.accept(called(UniqueMode::Replace, "{}")).await;
            let other = house.accept(called(UniqueMode::Replace, "{}")).await;
            one.id.max(other.id)
        };
        let (accepted, claimed) = tokio::join!(repeats, due(&worker));
        newest = accepted;
        for claimed in claimed {
            worker.settle(end(&claimed, Verdict::Done)).await;
            handled.push(claimed.id);
        }
    }
    house.change("UPDATE queue SET ready_at = now()").await;
    for claimed in due(&worker).await {
        worker.settle(end(&claimed, Verdict::Done)).await;
        handled.push(claimed.id);
    }

    assert_eq!(handled.last(), Some(&newest), "the newest is never lost");
    let once = handled
        .iter()
        .collect::<std::collections::HashSet<_>>()
        .len();
    assert_eq!(once, handled.len(), "none ran twice");
    assert_eq!(house.count("SELECT count(*) FROM queue").await, 0);
    let unaccounted = "SELECT count(*) FROM messages m WHERE 1 <> (SELECT count(*) FROM endings e WHERE e.message_id = m.id)";
    assert_eq!(
        house.count(unaccounted).await,
        0,
        "each has exactly one end"
    );
}

#[tokio::test]
async fn each_repeat_of_a_debounced_one_pushes_the_start_back_up_to_the_longest() {
    let house = House::new().await;
    let longest = Duration::from_secs(90);
    let mode = UniqueMode::Debounce { longest };
    let starts_in = "SELECT extract(epoch FROM ready_at - clock_timestamp())::int8 FROM queue";
    house.accept(later(mode, "1")).await;
    house
        .change("UPDATE queue SET ready_at = now() + interval '5 s'; UPDATE unique_messages SET first_at = now() - interval '20 s'")
        .await;

    house.accept(later(mode, "2")).await;
    assert!((58..=60).contains(&house.count(starts_in).await));

    house
        .change("UPDATE unique_messages SET first_at = now() - interval '80 s'")
        .await;
    house.accept(later(mode, "3")).await;
    assert!((8..=10).contains(&house.count(starts_in).await));
    assert_eq!(house.count("SELECT count(*) FROM queue").await, 1);
}

#[tokio::test]
async fn one_that_was_begun_and_waits_for_its_next_attempt_is_not_replaced() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    house.accept(called(UniqueMode::Ignore, "old")).await;
    let begun = only(due(&worker).await);
    let error = ErrorNote::new("timeout", "too slow");
    let after = Duration::from_secs(60);
    worker
        .settle(end(&begun, Verdict::Retry { after, error }))
        .await;

    let repeat = house.accept(called(UniqueMode::Ignore, "new")).await;

    assert!(!repeat.duplicate);
    assert_eq!(house.count("SELECT count(*) FROM queue").await, 2);
}

#[tokio::test]
async fn a_settlement_causes_it_with_its_end_or_not_at_all() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    for key in ["in:7", "in:8"] {
        house.accept(message(key)).await;
    }
    let claimed = worker.claim().await;
    let ends: Vec<_> = claimed
        .iter()
        .map(|claimed| {
            let mut end = end(claimed, Verdict::Done);
            end.outgoing = vec![later(UniqueMode::Replace, "{}"), message("out:1")];
            end
        })
        .collect();
    let stale = house.worker("b").await;

    assert_eq!(
        worker.store.settle(&ends).await.unwrap(),
        [Settled::Stale; 2]
    );
    assert_eq!(house.count("SELECT count(*) FROM unique_messages").await, 0);

    let claimed = stale.claim().await;
    let ends: Vec<_> = claimed
        .iter()
        .map(|claimed| {
            let mut end = end(claimed, Verdict::Done);
            end.outgoing = vec![later(UniqueMode::Replace, "{}"), message("out:1")];
            end
        })
        .collect();
    assert_eq!(
        stale.store.settle(&ends).await.unwrap(),
        [Settled::Durable; 2]
    );
    assert_eq!(
        house
            .count("SELECT count(*) FROM queue WHERE state = 1")
            .await,
        1,
        "of two with one name one waits"
    );
    assert_eq!(
        house
            .count("SELECT count(*) FROM queue WHERE state = 0")
            .await,
        2
    );
}

#[tokio::test]
async fn what_contradicts_itself_is_refused() {
    let house = House::new().await;
    let twice = NewMessage {
        delivery_id: Some("1".to_owned()),
        ..called(UniqueMode::Ignore, "{}")
    };
    let too_late = NewMessage {
        delay: Some(Duration::from_secs(100_000)),
        ..called(UniqueMode::Ignore, "{}")
    };

    for odd in [twice, too_late] {
        let error = house.intake.accept(odd).await.unwrap_err();
        assert!(error.is_senders_fault(), "{error}");
    }
}
