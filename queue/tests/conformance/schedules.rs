//! What is due later than in a day, or again and again (law L12).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sallyport_queue::{NewMessage, NewSchedule};

use crate::house::{House, message, only};

fn daily(name: &str, due_at: Timestamp) -> NewSchedule {
    NewSchedule {
        name: name.to_owned(),
        due_at,
        every: Some(Duration::from_secs(86_400)),
        message: message("reminders"),
    }
}

#[tokio::test]
async fn a_delay_beyond_a_day_is_a_schedule_that_becomes_a_message() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let later = NewMessage {
        delay: Some(Duration::from_secs(3 * 86_400)),
        ..message("in:1")
    };

    house.accept(later.clone()).await;
    assert_eq!(house.count("SELECT count(*) FROM queue").await, 0);
    assert_eq!(house.queue.schedules().tick().await.unwrap().messages, 0);

    house.change("UPDATE schedules SET due_at = now()").await;
    assert_eq!(house.queue.schedules().tick().await.unwrap().messages, 1);
    let claimed = only(worker.claim().await);
    assert_eq!(
        (claimed.payload, claimed.trace),
        (later.payload, later.trace)
    );
    assert_eq!(house.count("SELECT count(*) FROM schedules").await, 0);
}

#[tokio::test]
async fn a_repeating_schedule_that_was_missed_for_days_runs_once_and_lies_ahead_again() {
    let house = House::new().await;
    let missed = Timestamp::now() - SignedDuration::from_hours(100);
    house
        .queue
        .schedules()
        .put(&daily("rewards", missed))
        .await
        .unwrap();

    let first = house.queue.schedules().tick().await.unwrap();
    let second = house.queue.schedules().tick().await.unwrap();

    assert_eq!((first.messages, second.messages), (1, 0));
    let ahead = "SELECT count(*) FROM schedules WHERE due_at > now() AND due_at < now() + interval '1 day 1 minute'";
    assert_eq!(house.count(ahead).await, 1);
}

#[tokio::test]
async fn only_one_of_several_tickers_is_elected() {
    let house = House::new().await;
    house
        .queue
        .schedules()
        .put(&daily(
            "rewards",
            Timestamp::now() - SignedDuration::from_secs(1),
        ))
        .await
        .unwrap();
    let elected = house.database.owner().await;
    elected
        .batch_execute("BEGIN; SELECT pg_advisory_xact_lock(hashtext('sallyport schedules'))")
        .await
        .unwrap();

    assert!(!house.queue.schedules().tick().await.unwrap().elected);

    elected.batch_execute("COMMIT").await.unwrap();
    assert_eq!(house.queue.schedules().tick().await.unwrap().messages, 1);
}

#[tokio::test]
async fn a_schedule_can_be_changed_and_cancelled_by_its_name() {
    let house = House::new().await;
    let schedules = house.queue.schedules();
    let soon = Timestamp::now() + SignedDuration::from_hours(1);
    schedules.put(&daily("rewards", soon)).await.unwrap();
    schedules
        .put(&daily("rewards", soon + SignedDuration::from_hours(1)))
        .await
        .unwrap();

    assert_eq!(house.count("SELECT count(*) FROM schedules").await, 1);
    assert!(schedules.cancel("rewards").await.unwrap());
    assert!(!schedules.cancel("rewards").await.unwrap());
}
