//! Who is to blame for a crash (law L5): the bound of a crowd, and claims for one message alone.

use sallyport_queue::blame::KindRules;
use sallyport_queue::{Claimed, NewMessage, Settled, Verdict};

use crate::house::{House, Worker, end, message, only};

/// Two crashes in a crowd count, then two alone.
const RULES: KindRules<'_> = KindRules {
    kind: "telegram.send",
    sends: true,
    attempts_max: 4,
};

async fn heir(house: &House, name: &str) -> (Worker, sallyport_queue::TakenOver) {
    let worker = house.worker(name).await;
    let taken = worker.store.take_over(&worker.leases(), &[RULES]).await;
    (worker, taken.unwrap())
}

fn send(key: &str) -> NewMessage {
    NewMessage {
        kind: RULES.kind.to_owned(),
        ..message(key)
    }
}

async fn alone(worker: &Worker, mut message: Claimed) -> Claimed {
    let claim = worker.store.claim_alone(&message.reference()).await;
    message.claim = claim.unwrap().expect("the ownership is ours");
    message
}

#[tokio::test]
async fn l5_crashes_in_a_crowd_never_spend_the_last_attempts() {
    let house = House::new().await;
    house.accept(send("out:1")).await;
    house.accept(message("in:1")).await;
    for name in ["a", "b", "c", "d", "e", "f"] {
        let (worker, _) = heir(&house, name).await;
        assert_eq!(worker.claim().await.len(), 2);
    }

    let (last, taken) = heir(&house, "g").await;

    assert_eq!((taken.interrupted.len(), taken.alone.len()), (2, 0));
    let mut attempts: Vec<(String, u16)> = last
        .claim()
        .await
        .into_iter()
        .map(|message| (message.kind.to_string(), message.attempts))
        .collect();
    attempts.sort();
    assert_eq!(attempts.first(), Some(&("telegram.send".to_owned(), 2)));
    assert_eq!(attempts.last().map(|(_, attempts)| *attempts), Some(3));
    let marks = "SELECT count(*) FROM ambiguous";
    assert_eq!(house.count(marks).await, 6, "each crash marks the send");
}

#[tokio::test]
async fn l5_a_crash_alone_counts_on_and_its_neighbours_stay() {
    let house = House::new().await;
    let poison = house.accept(send("out:1")).await;
    house.accept(send("out:2")).await;
    for name in ["a", "b"] {
        let (worker, _) = heir(&house, name).await;
        worker.claim().await;
    }
    for name in ["c", "d"] {
        let (worker, _) = heir(&house, name).await;
        let claimed = worker.claim().await;
        let suspect = claimed.into_iter().find(|message| message.id == poison.id);
        alone(&worker, suspect.unwrap()).await;
    }

    let (last, taken) = heir(&house, "e").await;

    assert_eq!(taken.alone, [poison.id]);
    let attempts: Vec<u16> = last
        .claim()
        .await
        .iter()
        .map(|message| message.attempts)
        .collect();
    assert_eq!(attempts, [4, 2]);
    let said = "SELECT count(*) FROM attempts WHERE error_text LIKE '%ran alone'";
    assert_eq!(house.count(said).await, 2);
}

#[tokio::test]
async fn what_has_a_claim_of_its_own_is_settled_and_given_back_under_it_and_leaves_no_row() {
    let house = House::new().await;
    let (worker, _) = heir(&house, "a").await;
    house.accept(send("out:1")).await;
    house.accept(send("out:2")).await;
    let mut claimed = worker.claim().await;
    let back = alone(&worker, claimed.remove(0)).await;
    // As if the answer of a first try had got lost.
    let twice = alone(&worker, claimed.remove(0)).await;
    let twice = alone(&worker, twice).await;

    worker.store.release(&[back.reference()]).await.unwrap();
    assert_eq!(
        worker.settle(end(&twice, Verdict::Done)).await,
        Settled::Durable
    );

    let again = only(worker.claim().await);
    assert_eq!((again.id, again.attempts), (back.id, 0));
    assert_eq!(house.count("SELECT count(*) FROM claims").await, 1);
    let (_, taken) = heir(&house, "b").await;
    assert!(taken.alone.is_empty(), "it was given back before");
}

#[tokio::test]
async fn an_old_owner_gets_no_claim_of_its_own() {
    let house = House::new().await;
    let (worker, _) = heir(&house, "a").await;
    house.accept(send("out:1")).await;
    let claimed = only(worker.claim().await);
    heir(&house, "b").await;

    let claim = worker.store.claim_alone(&claimed.reference()).await;

    assert_eq!(claim.unwrap(), None);
}
