//! An app's own changes and the end of its message: both or neither (law L6).

use futures::FutureExt;
use sallyport_queue::{Effects, EffectsError, SettleError, Settled, Settlement, Verdict};

use crate::house::{House, end, message, only};

fn write_down(word: &'static str) -> Effects {
    Box::new(move |transaction| {
        async move {
            transaction
                .execute("INSERT INTO notes VALUES ($1)", &[&word])
                .await?;
            Ok(())
        }
        .boxed()
    })
}

async fn house_with_notes() -> House {
    let house = House::new().await;
    house
        .change("CREATE TABLE notes (word text); GRANT ALL ON notes TO sallyport_workers")
        .await;
    house
}

#[tokio::test]
async fn effects_and_replies_and_the_end_are_committed_together() {
    let house = house_with_notes().await;
    let worker = house.worker("a").await;
    house.accept(message("in:1")).await;
    let claimed = only(worker.claim().await);
    let settlement = Settlement {
        outgoing: vec![message("out:1")],
        ..end(&claimed, Verdict::Done)
    };

    let settled = worker
        .store
        .settle_with(&settlement, write_down("once"))
        .await
        .unwrap();

    assert_eq!(settled, Settled::Durable);
    assert_eq!(house.count("SELECT count(*) FROM notes").await, 1);
    assert_eq!(
        house
            .count("SELECT count(*) FROM queue WHERE key = 'out:1'")
            .await,
        1
    );
    assert_eq!(house.count("SELECT count(*) FROM endings").await, 1);
}

#[tokio::test]
async fn l4_two_runs_may_overlap_but_not_two_effects() {
    let house = house_with_notes().await;
    let before = house.worker("a").await;
    house.accept(message("in:1")).await;
    let slow = only(before.claim().await);
    let now = house.worker("b").await;
    now.take_over().await;
    let quick = only(now.claim().await);

    let first = now
        .store
        .settle_with(&end(&quick, Verdict::Done), write_down("b"))
        .await
        .unwrap();
    let second = before
        .store
        .settle_with(&end(&slow, Verdict::Done), write_down("a"))
        .await
        .unwrap();

    assert_eq!((first, second), (Settled::Durable, Settled::Stale));
    assert_eq!(
        house
            .count("SELECT count(*) FROM notes WHERE word = 'b'")
            .await,
        1
    );
    assert_eq!(house.count("SELECT count(*) FROM notes").await, 1);
}

#[tokio::test]
async fn effects_that_refuse_leave_everything_as_it_was() {
    let house = house_with_notes().await;
    let worker = house.worker("a").await;
    house.accept(message("in:1")).await;
    let claimed = only(worker.claim().await);
    let refusing: Effects = Box::new(|transaction| {
        async move {
            transaction
                .execute("INSERT INTO notes VALUES ('half')", &[])
                .await?;
            Err(EffectsError::Refused {
                verdict: Box::new(Verdict::Ignored),
            })
        }
        .boxed()
    });

    let failed = worker
        .store
        .settle_with(&end(&claimed, Verdict::Done), refusing)
        .await;

    assert!(matches!(failed, Err(SettleError::Effects(_))));
    assert_eq!(house.count("SELECT count(*) FROM notes").await, 0);
    assert_eq!(house.count("SELECT count(*) FROM queue").await, 1);
}

#[tokio::test]
async fn an_ownership_that_is_being_settled_on_does_not_move() {
    let house = house_with_notes().await;
    let worker = house.worker("a").await;
    house.accept(message("in:1")).await;
    let claimed = only(worker.claim().await);
    let thief = house.database.owner().await;
    thief
        .batch_execute("BEGIN; UPDATE leases SET owner = 'b', token = token + 1")
        .await
        .unwrap();

    let settlement = end(&claimed, Verdict::Done);
    let settling = worker.store.settle_with(&settlement, write_down("a"));
    let committing = thief.batch_execute("COMMIT");
    let (settled, committed) = tokio::join!(settling, committing);

    // Whoever came first, there is one truth: an effect exists exactly when its settlement does.
    committed.unwrap();
    let notes = house.count("SELECT count(*) FROM notes").await;
    assert_eq!(notes == 1, settled.unwrap() == Settled::Durable);
}
