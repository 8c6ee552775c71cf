//! Orders: pauses and cancellations are durable, and say what stands.

use sallyport_queue::{
    CancelAnswer, ErrorNote, MessageId, NewMessage, Outcome, Queue, Scope, Settings, Verdict,
};

use crate::house::{House, end, message, only, wait_until};

fn of_updates() -> Scope {
    Scope::Kind("telegram.update".to_owned())
}

#[tokio::test]
async fn a_pause_keeps_its_author_and_survives_those_who_ordered_it() {
    let house = House::new().await;
    let control = house.queue.control();
    control.pause(&of_updates(), "ann", "deploy").await.unwrap();
    let stands = control.pause(&of_updates(), "bob", "me too").await.unwrap();
    assert_eq!(
        (stands.by.as_str(), stands.reason.as_str()),
        ("ann", "deploy")
    );

    let other = Queue::open(house.database.pools(), Settings::default())
        .await
        .unwrap();
    let ended = other
        .control()
        .resume(&of_updates(), "bob", "fine")
        .await
        .unwrap();

    assert_eq!(ended, Some(stands));
    assert_eq!(control.pauses().await.unwrap(), []);
    assert_eq!(
        control.resume(&of_updates(), "bob", "fine").await.unwrap(),
        None
    );
}

#[tokio::test]
async fn a_pause_of_everything_is_a_fact_of_the_house_and_leaves_paused_kinds_alone() {
    let house = House::new().await;
    let control = house.queue.control();
    control.pause(&of_updates(), "ann", "deploy").await.unwrap();
    control
        .pause(&Scope::Everything, "ann", "restore")
        .await
        .unwrap();
    let fact = "SELECT count(*) FROM house WHERE name = 'paused' AND value = 'true'";
    assert!(house.queue.paused().await.unwrap());
    assert_eq!(house.count(fact).await, 1, "older programs look here");

    control
        .resume(&Scope::Everything, "ann", "fine")
        .await
        .unwrap();

    assert_eq!(house.count(fact).await, 0);
    assert_eq!(only(control.pauses().await.unwrap()).scope, of_updates());
}

#[tokio::test]
async fn every_process_hears_of_an_order_whoever_gave_it() {
    let house = House::new().await;
    let other = Queue::open(house.database.pools(), Settings::default())
        .await
        .unwrap();
    let orders = other.orders();
    wait_until("the orders are read", || async {
        orders.borrow().is_some()
    })
    .await;

    house
        .queue
        .control()
        .pause(&of_updates(), "ann", "deploy")
        .await
        .unwrap();

    wait_until("the pause is known", || async {
        let orders = orders.borrow();
        orders
            .as_ref()
            .is_some_and(|orders| orders.kinds.contains_key("telegram.update"))
    })
    .await;
}

#[tokio::test]
async fn a_cancellation_stands_until_it_is_carried_out_and_the_first_reason_is_kept() {
    let house = House::new().await;
    let control = house.queue.control();
    let ready = house.accept(message("in:1")).await.id;
    let delayed = house
        .accept(NewMessage {
            delay: Some(std::time::Duration::from_secs(600)),
            ..message("in:2")
        })
        .await
        .id;

    for id in [ready, delayed] {
        let answer = control.cancel(id, "ann", "a mistake").await.unwrap();
        assert_eq!(answer, CancelAnswer::Ordered);
    }
    let again = control.cancel(ready, "bob", "me too").await.unwrap();

    let CancelAnswer::AlreadyOrdered(order) = again else {
        unreachable!("{again:?}");
    };
    assert_eq!(order.sentence(), "cancelled by ann: a mistake");
    assert_eq!(control.cancellations().await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_has_ended_or_never_was_is_not_cancelled_and_the_answer_says_what_happened() {
    let house = House::new().await;
    let control = house.queue.control();
    let worker = house.worker("a").await;
    house.accept(message("in:1")).await;
    let claimed = only(worker.claim().await);
    let error = ErrorNote::new("timeout", "no answer");
    worker.settle(end(&claimed, Verdict::Dead { error })).await;

    let ended = control.cancel(claimed.id, "ann", "late").await.unwrap();
    let unknown = control.cancel(MessageId(1 << 60), "ann", "late").await;

    let CancelAnswer::AlreadyEnded {
        outcome,
        attempt,
        text,
        ..
    } = ended
    else {
        unreachable!("{ended:?}");
    };
    assert_eq!(
        (outcome, attempt, text.as_deref()),
        (Outcome::Dead, 1, Some("no answer"))
    );
    assert_eq!(unknown.unwrap(), CancelAnswer::Unknown);
    assert_eq!(control.cancellations().await.unwrap(), []);
}
