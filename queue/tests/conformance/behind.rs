//! Messages behind: they wait apart until their key goes on, and whoever owns the partition keeps their order (L3, L7).

use std::time::Duration;

use sallyport_queue::{ErrorNote, HoldChange, Key, Settled, Settlement, Verdict};

use crate::house::{House, Worker, end, ids, message, only};

const BEHIND: &str = "SELECT count(*) FROM queue WHERE state = 2";

/// A house with `count` messages of one key, of which a worker has the first in hand and the rest were put behind.
async fn with_some_behind(
    house: &House,
    worker: &Worker,
    count: usize,
) -> Vec<sallyport_queue::Claimed> {
    for _ in 0..count {
        house.accept(message("in:1")).await;
    }
    let claimed = worker.claim().await;
    worker.put_behind(&claimed[1..]).await;
    claimed
}

#[tokio::test]
async fn what_is_behind_is_claimed_only_when_its_key_is_looked_for_and_in_order() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let all = with_some_behind(&house, &worker, 6).await;

    let taken = worker.claim_watched(100, &all[..1], &[]).await;
    assert!(taken.messages.is_empty() && taken.looked.is_empty());
    let taken = worker.claim_watched(100, &all[..1], &[("in:1", 3)]).await;

    assert_eq!(ids(&taken.looked), ids(&all[1..4]));
    let rest = worker.claim_watched(100, &all[..4], &[("in:1", 3)]).await;
    assert_eq!(ids(&rest.looked), ids(&all[4..]));
}

#[tokio::test]
async fn a_new_message_of_a_key_with_others_behind_goes_behind_by_itself_and_is_told() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let all = with_some_behind(&house, &worker, 2).await;
    let late = house.accept(message("in:1")).await;
    let free = house.accept(message("in:2")).await;

    let taken = worker.claim_watched(100, &all[..1], &[]).await;

    assert_eq!(only(taken.messages).id, free.id);
    let behind = only(taken.behind);
    assert_eq!((behind.key, behind.from), (Key::new("in:1"), late.id));
    assert_eq!(house.count(BEHIND).await, 2);
    let looked = worker
        .claim_watched(100, &all[..1], &[("in:1", 9)])
        .await
        .looked;
    assert_eq!(ids(&looked), [all[1].id, late.id]);
}

#[tokio::test]
async fn a_head_that_comes_back_is_claimed_although_others_of_its_key_are_behind() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let all = with_some_behind(&house, &worker, 3).await;
    let retry = Verdict::Retry {
        after: Duration::from_millis(1),
        error: ErrorNote::new("timeout", ""),
    };
    worker.settle(end(&all[0], retry)).await;
    house
        .change("UPDATE queue SET ready_at = now() WHERE state = 1")
        .await;
    let partitions: Vec<_> = sallyport_queue::Partition::all().collect();
    worker.store.promote(&partitions).await.unwrap();

    let taken = worker.claim_watched(100, &[], &[]).await;

    assert_eq!(only(taken.messages).id, all[0].id);
}

#[tokio::test]
async fn messages_that_were_behind_end_retry_and_die_like_any_other() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let all = with_some_behind(&house, &worker, 5).await;
    let looked = worker
        .claim_watched(9, &all[..1], &[("in:1", 9)])
        .await
        .looked;
    let error = ErrorNote::new("timeout", "");
    let retry = |after| Verdict::Retry {
        after,
        error: error.clone(),
    };

    for (message, verdict) in looked.iter().zip([
        Verdict::Done,
        Verdict::Dead {
            error: error.clone(),
        },
        retry(Duration::from_secs(60)),
        retry(Duration::ZERO),
    ]) {
        assert_eq!(worker.settle(end(message, verdict)).await, Settled::Durable);
    }

    assert_eq!(house.count("SELECT count(*) FROM endings").await, 2);
    assert_eq!(
        house
            .count("SELECT count(*) FROM queue WHERE state = 1 AND attempts = 1")
            .await,
        1
    );
    assert_eq!(
        house
            .count("SELECT count(*) FROM queue WHERE state = 2 AND attempts = 1")
            .await,
        1
    );
}

#[tokio::test]
async fn an_heir_finds_what_was_in_hand_and_behind_in_one_place_in_order() {
    let house = House::new().await;
    let lost = house.worker("a").await;
    let all = with_some_behind(&house, &lost, 4).await;
    let looked = lost
        .claim_watched(9, &all[..1], &[("in:1", 1)])
        .await
        .looked;
    assert_eq!(ids(&looked), [all[1].id]);
    let heir = house.worker("b").await;

    let taken = heir.take_over().await;

    assert_eq!(taken.interrupted, ids(&all[..2]));
    assert!(heir.claim().await.is_empty(), "all of them are behind");
    let page = heir
        .store
        .behind_keys(&[(all[0].partition, None)])
        .await
        .unwrap();
    assert_eq!(only(page.keys).from, all[0].id);
    let found = heir.claim_watched(9, &[], &[("in:1", 9)]).await.looked;
    assert_eq!(ids(&found), ids(&all));
    assert_eq!(
        (found[0].attempts, found[1].attempts, found[2].attempts),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn what_is_given_back_goes_to_the_others_of_its_key_but_not_by_an_old_owner() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let all = with_some_behind(&house, &worker, 2).await;
    house.worker("b").await;

    worker.store.release(&[all[0].reference()]).await.unwrap();
    assert_eq!(house.count(BEHIND).await, 1, "its ownership has moved");

    let second = house.worker("a").await;
    let again = only(second.claim_watched(9, &[], &[]).await.messages);
    second.store.release(&[again.reference()]).await.unwrap();
    assert_eq!(house.count(BEHIND).await, 2);
}

#[tokio::test]
async fn a_worker_of_the_release_before_gets_everything_back_as_ready_in_order() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let all = with_some_behind(&house, &worker, 4).await;

    let older = house.heir("older").await;

    assert_eq!(house.count(BEHIND).await, 0);
    older.take_over().await;
    assert_eq!(ids(&older.claim().await), ids(&all));
}

#[tokio::test]
async fn keys_behind_are_read_page_by_page() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    house
        .change(
            "INSERT INTO queue (id, day, partition, priority, state, kind, key)
             SELECT number, current_date, 3, 0, 2, 'noop', 'k' || number % 300 FROM generate_series(1, 900) AS number",
        )
        .await;
    let partition = sallyport_queue::Partition(3);

    let first = worker
        .store
        .behind_keys(&[(partition, None)])
        .await
        .unwrap();
    let second = worker.store.behind_keys(&first.more).await.unwrap();

    assert_eq!((first.keys.len(), first.more.len()), (256, 1));
    assert_eq!((second.keys.len(), second.more.len()), (44, 0));
    assert!(first.keys.iter().all(|behind| behind.from.0 <= 300));
}

#[tokio::test]
async fn l9_a_head_that_was_stepped_over_is_known_as_such_to_every_later_owner() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    house.accept(message("waited")).await;
    house.accept(message("passed")).await;
    for claimed in worker.claim().await {
        let retry = Verdict::Retry {
            after: Duration::from_secs(60),
            error: ErrorNote::new("timeout", ""),
        };
        let hold = match claimed.key.as_str() {
            "waited" => HoldChange::Until(Duration::from_secs(30)),
            _ => HoldChange::StepOver,
        };
        let settlement = Settlement {
            hold,
            ..end(&claimed, retry)
        };
        worker.settle(settlement).await;
    }
    let held = only(worker.take_over().await.held);
    worker
        .store
        .lift(&[(held.partition, held.key, held.head)])
        .await
        .unwrap();

    let heir = house.worker("b").await;
    assert!(heir.take_over().await.held.is_empty());
    house
        .change("UPDATE queue SET state = 0, ready_at = now()")
        .await;

    let claimed = heir.claim().await;
    assert_eq!(claimed.len(), 2);
    assert!(claimed.iter().all(|message| message.stepped_over));
}

#[tokio::test]
async fn a_parked_key_has_a_way_out() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    house.accept(message("in:1")).await;
    let claimed = only(worker.claim().await);
    let retry = Verdict::Retry {
        after: Duration::from_secs(86_400),
        error: ErrorNote::new("timeout", ""),
    };
    let settlement = Settlement {
        hold: HoldChange::Park,
        ..end(&claimed, retry)
    };
    worker.settle(settlement).await;

    assert!(house.queue.unpark(&Key::new("in:1")).await.unwrap());
    assert!(!house.queue.unpark(&Key::new("in:2")).await.unwrap());

    let promoted = worker.store.promote(&[claimed.partition]).await.unwrap();
    assert_eq!(promoted.promoted, 1);
    assert_eq!(only(worker.claim().await).id, claimed.id);
}
