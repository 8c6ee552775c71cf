//! Room for what is limited, messages that are set aside, and orders carried out by the owner.

use std::time::Duration;

use sallyport_queue::{
    CancelAnswer, Claimed, HoldChange, Limit, Partition, ProgressNote, Room, RoomRequest, Settled,
    Settlement, Verdict, WaitCause,
};

use crate::house::{House, Worker, end, message, only, wait_until};

/// Puts so many messages of different keys on the queue and claims them, oldest first.
async fn claimed(house: &House, worker: &Worker, count: usize) -> Vec<Claimed> {
    for number in 0..count {
        house.accept(message(&format!("in:{number}"))).await;
    }
    let mut claimed = worker.claim().await;
    claimed.sort_by_key(|message| message.id);
    claimed
}

fn ask(claimed: &[Claimed], limit: &Limit) -> Vec<RoomRequest> {
    let request = |message: &Claimed| RoomRequest {
        message: message.reference(),
        limits: vec![limit.clone()],
    };
    claimed.iter().map(request).collect()
}

fn start(rooms: &[Room]) -> Vec<bool> {
    rooms.iter().map(|room| *room == Room::Starts).collect()
}

#[tokio::test]
async fn places_are_shared_by_all_workers_and_asking_twice_takes_one() {
    let house = House::new().await;
    let pine = house.worker("pine").await;
    let messages = claimed(&house, &pine, 4).await;
    let limit = Limit::at_once("g", 2);
    let requests = ask(&messages, &limit);

    let (first, rest) = requests.split_at(1);
    for _ in 0..2 {
        let rooms = pine.store.ask_for_room(first).await.unwrap();
        assert_eq!(
            start(&rooms),
            [true],
            "the second is what follows a lost answer"
        );
    }
    let rooms = pine.store.ask_for_room(rest).await.unwrap();

    assert_eq!(start(&rooms), [true, false, false]);
    assert_eq!(house.count("SELECT count(*) FROM slots").await, 2);
    let waiting = house
        .queue
        .control()
        .waiting(&[messages[3].id])
        .await
        .unwrap();
    let waiting = only(waiting);
    let cause = WaitCause::Full {
        group: "g".to_owned(),
        at_once: 2,
    };
    assert_eq!((waiting.cause, waiting.before), (cause, 1));
}

#[tokio::test]
async fn two_that_ask_at_the_same_time_do_not_get_the_same_place() {
    let house = House::new().await;
    let pine = house.worker("pine").await;
    let messages = claimed(&house, &pine, 20).await;
    let limit = Limit::at_once("g", 3);
    let requests = ask(&messages, &limit);

    let asked = requests
        .chunks(1)
        .map(|request| pine.store.ask_for_room(request));
    let rooms = futures_all(asked).await;

    let started = rooms.iter().filter(|room| **room == Room::Starts).count();
    assert_eq!(started, 3);
    assert_eq!(house.count("SELECT count(*) FROM slots").await, 3);
}

/// All answers of calls that run side by side.
async fn futures_all<F>(calls: impl Iterator<Item = F>) -> Vec<Room>
where
    F: Future<Output = Result<Vec<Room>, sallyport_queue::StoreError>>,
{
    let answers = futures::future::join_all(calls).await;
    answers.into_iter().flat_map(Result::unwrap).collect()
}

#[tokio::test]
async fn who_leaves_calls_the_oldest_that_waits_and_it_starts_with_that_place() {
    let house = House::new().await;
    let pine = house.worker("pine").await;
    let messages = claimed(&house, &pine, 3).await;
    let limit = Limit::at_once("g", 1);
    let rooms = pine
        .store
        .ask_for_room(&ask(&messages, &limit))
        .await
        .unwrap();
    assert_eq!(start(&rooms), [true, false, false]);
    assert!(
        pine.claim_but(std::slice::from_ref(&messages[0]))
            .await
            .is_empty()
    );

    let left = [(messages[0].id, vec![limit.clone()])];
    pine.settle(end(&messages[0], Verdict::Done)).await;
    pine.store.leave_room(&left).await.unwrap();
    let partitions: Vec<Partition> = Partition::all().collect();
    wait_until("the next is due", || async {
        pine.store.promote(&partitions).await.unwrap().promoted > 0
    })
    .await;
    let next = only(pine.claim().await);
    assert_eq!((next.id, next.attempts), (messages[1].id, 0));
    let rooms = pine
        .store
        .ask_for_room(&ask(std::slice::from_ref(&next), &limit))
        .await
        .unwrap();

    assert_eq!(start(&rooms), [true]);
    let lifted = Settlement {
        hold: HoldChange::Lift,
        ..end(&next, Verdict::Done)
    };
    assert_eq!(pine.settle(lifted).await, Settled::Durable);
}

#[tokio::test]
async fn a_stranger_gets_no_room_and_a_takeover_frees_what_the_old_owner_held() {
    let house = House::new().await;
    let pine = house.worker("pine").await;
    let messages = claimed(&house, &pine, 2).await;
    let limit = Limit::at_once("g", 1);
    let requests = ask(&messages, &limit);
    pine.store.ask_for_room(&requests[..1]).await.unwrap();

    let oak = house.worker("oak").await;
    let stale = pine.store.ask_for_room(&requests[1..]).await.unwrap();
    assert_eq!(stale, [Room::Gone]);
    oak.take_over().await;
    let found = oak.store.take_over_rooms(&oak.leases()).await.unwrap();

    assert_eq!(found.waiting, []);
    assert_eq!(house.count("SELECT count(*) FROM slots").await, 0);
}

#[tokio::test]
async fn a_rate_lets_a_burst_start_and_says_when_the_others_may() {
    let house = House::new().await;
    let pine = house.worker("pine").await;
    let messages = claimed(&house, &pine, 4).await;
    let limit = Limit::rate("r", Duration::from_secs(60), 2);

    let rooms = pine
        .store
        .ask_for_room(&ask(&messages, &limit))
        .await
        .unwrap();

    assert_eq!(start(&rooms), [true, true, false, false]);
    let waits: Vec<u64> = rooms
        .iter()
        .filter_map(|room| match room {
            Room::Aside {
                wait: Some(wait), ..
            } => Some(wait.as_secs_f64().round() as u64),
            Room::Aside { wait: None, .. } | Room::Starts | Room::Gone => None,
        })
        .collect();
    assert_eq!(waits, [60, 120]);
}

#[tokio::test]
async fn what_is_set_aside_for_a_pause_comes_back_in_order_and_uncounted() {
    let house = House::new().await;
    let pine = house.worker("pine").await;
    let messages = claimed(&house, &pine, 3).await;
    let references: Vec<_> = messages.iter().map(Claimed::reference).collect();
    let set_aside = pine.store.set_aside(&references).await.unwrap();
    assert_eq!(set_aside.len(), 3);
    assert!(pine.claim().await.is_empty());

    let oak = house.worker("oak").await;
    let found = oak.take_over().await;
    assert!(
        found.interrupted.is_empty(),
        "what was set aside had not begun"
    );
    assert_eq!(found.held.len(), 3, "their keys wait for them");
    let rooms = oak.store.take_over_rooms(&oak.leases()).await.unwrap();
    assert_eq!(rooms.waiting.len(), 3);
    let partitions: Vec<Partition> = Partition::all().collect();
    let resumed = oak
        .store
        .resume_waiting("telegram.update", &partitions)
        .await
        .unwrap();

    assert_eq!(resumed.len(), 3);
    let back = oak.claim().await;
    assert_eq!(back.len(), 3);
    assert!(back.iter().all(|message| message.attempts == 0));
}

#[tokio::test]
async fn only_the_owner_carries_out_a_cancellation_and_the_reason_is_kept() {
    let house = House::new().await;
    let control = house.queue.control();
    let pine = house.worker("pine").await;
    let id = house.accept(message("in:1")).await.id;
    assert_eq!(
        control.cancel(id, "ann", "a mistake").await.unwrap(),
        CancelAnswer::Ordered
    );
    let order = only(control.cancellations().await.unwrap());
    let oak = house.worker("oak").await;

    let by_a_stranger = pine.store.end_cancelled(&[(&order, pine.token)]).await;
    assert_eq!(by_a_stranger.unwrap(), []);
    assert_eq!(house.count("SELECT count(*) FROM queue").await, 1);
    let ended = oak.store.end_cancelled(&[(&order, oak.token)]).await;

    assert_eq!(only(ended.unwrap()).0, id);
    assert_eq!(control.cancellations().await.unwrap(), []);
    let CancelAnswer::AlreadyEnded { text, .. } = control.cancel(id, "bob", "again").await.unwrap()
    else {
        unreachable!("it has ended");
    };
    assert_eq!(text.as_deref(), Some("cancelled by ann: a mistake"));
}

#[tokio::test]
async fn progress_is_overwritten_and_forgotten() {
    let house = House::new().await;
    let pine = house.worker("pine").await;
    let id = house.accept(message("in:1")).await.id;
    let note = |done| ProgressNote {
        id,
        done,
        of: Some(10),
        note: "pages\0".to_owned(),
    };
    for done in [3, 7] {
        pine.store.note_progress(&[note(done)], &[]).await.unwrap();
    }
    let progress = only(house.queue.control().progress(&[id]).await.unwrap());
    assert_eq!(
        (progress.done, progress.of, progress.note.as_str()),
        (7, Some(10), "pages")
    );

    pine.store.note_progress(&[], &[id]).await.unwrap();

    assert_eq!(house.queue.control().progress(&[id]).await.unwrap(), []);
}
