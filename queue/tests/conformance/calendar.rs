//! Schedules by the calendar: one message per occurrence, by the database's clock alone (ADR 0010).

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use sallyport_postgres::Role;
use sallyport_queue::calendar::Calendar;
use sallyport_queue::{CronSet, Declared, Declares, Missed, NewCron, NewMessage, Queue, Settings};

use tokio_util::task::TaskTracker;

use crate::house::{House, message, only, wait_until};

/// A tick, an election and a lost connection are noticed well within this.
const TAKEOVER: Duration = Duration::from_secs(15);

fn every_minute(missed: Missed) -> NewCron {
    cron("* * * * *", missed)
}

fn cron(line: &str, missed: Missed) -> NewCron {
    NewCron {
        name: "ops/digest".to_owned(),
        calendar: Calendar::new(line, "Europe/Berlin").unwrap(),
        missed,
        // The source of what a calendar causes is the calendar.
        message: NewMessage {
            source: String::new(),
            ..message("digest")
        },
    }
}

async fn declare(house: &House, crons: &[NewCron]) {
    assert_eq!(
        declare_as(house, "hub@ops", 1, Declares::First, crons).await,
        Declared::Now
    );
}

async fn declare_as(
    house: &House,
    declared_by: &str,
    release: i64,
    declares: Declares,
    crons: &[NewCron],
) -> Declared {
    let set = CronSet {
        declared_by,
        release,
        crons,
    };
    house
        .queue
        .schedules()
        .declare(&set, declares)
        .await
        .unwrap()
}

/// As if nobody had ticked for so long.
async fn missed_for(house: &House, minutes: u32) {
    house
        .change(&format!(
            "UPDATE crons SET due_at = date_trunc('minute', now()) - interval '{minutes} minutes'"
        ))
        .await;
}

async fn tick(house: &House) -> usize {
    house.queue.schedules().tick().await.unwrap().messages
}

#[tokio::test]
async fn an_occurrence_becomes_one_message_with_a_story_of_its_own() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    declare(&house, &[every_minute(Missed::Once)]).await;
    assert_eq!(tick(&house).await, 0, "declaring fires nothing");
    missed_for(&house, 0).await;

    assert_eq!((tick(&house).await, tick(&house).await), (1, 0));

    let claimed = only(worker.claim().await);
    assert_eq!(&*claimed.source, "schedule");
    let story = only(house.queue.schedules().list("").await.unwrap());
    assert_eq!((story.fired, story.last_message), (1, Some(claimed.id)));
    assert_eq!(story.next.len(), 5);
    assert!(
        story
            .next
            .windows(2)
            .all(|pair| pair[1].duration_since(pair[0]) == SignedDuration::from_mins(1))
    );
    assert!(story.next[0] > Timestamp::now() - SignedDuration::from_secs(1));
}

#[tokio::test]
async fn missed_occurrences_become_one_or_none_or_some() {
    for (missed, messages) in [
        (Missed::Once, 1),
        (Missed::All { at_most: 3 }, 3),
        (Missed::All { at_most: 100 }, 11),
    ] {
        let house = House::new().await;
        declare(&house, &[every_minute(missed)]).await;
        missed_for(&house, 10).await;

        assert_eq!(tick(&house).await, messages, "{missed:?}");
        assert_eq!(tick(&house).await, 0);
    }
    let house = House::new().await;
    declare(&house, &[cron("0 0 1 1 *", Missed::Skip)]).await;
    missed_for(&house, 10).await;
    assert_eq!(tick(&house).await, 0);
    assert_eq!(
        house
            .count("SELECT count(*) FROM crons WHERE due_at > now()")
            .await,
        1
    );
}

/// A clock that goes back, or a row that is made anew, brings an occurrence a second time.
#[tokio::test]
async fn an_occurrence_that_comes_again_is_not_stored_again() {
    let house = House::new().await;
    declare(&house, &[every_minute(Missed::All { at_most: 5 })]).await;
    missed_for(&house, 3).await;
    let first = tick(&house).await;

    missed_for(&house, 3).await;
    let again = tick(&house).await;

    assert_eq!(first, 4);
    assert!(
        again <= 1,
        "at most the minute that began meanwhile: {again}"
    );
}

#[tokio::test]
async fn declaring_again_skips_nothing_and_removes_what_is_no_longer_declared() {
    let house = House::new().await;
    declare(&house, &[every_minute(Missed::Once)]).await;
    missed_for(&house, 2).await;

    declare(&house, &[every_minute(Missed::Once)]).await;
    assert_eq!(tick(&house).await, 1, "a restart keeps what is due");

    missed_for(&house, 2).await;
    declare(&house, &[cron("0 0 1 1 *", Missed::Once)]).await;
    assert_eq!(tick(&house).await, 0, "another calendar begins anew");

    declare_as(&house, "other@ops", 1, Declares::First, &[]).await;
    assert_eq!(house.count("SELECT count(*) FROM crons").await, 1);
    declare(&house, &[]).await;
    assert_eq!(house.count("SELECT count(*) FROM crons").await, 0);
}

#[tokio::test]
async fn an_older_release_that_starts_later_changes_nothing_while_the_newer_one_is_there() {
    let house = House::new().await;
    let daily = [cron("0 9 * * *", Missed::Once)];
    let as_release = async |release, declares, crons: &[NewCron]| {
        declare_as(&house, "hub@ops", release, declares, crons).await
    };
    assert_eq!(as_release(2, Declares::First, &daily).await, Declared::Now);

    assert_eq!(
        as_release(1, Declares::First, &[]).await,
        Declared::Outdated
    );
    assert_eq!(
        as_release(1, Declares::Again, &[]).await,
        Declared::Outdated
    );
    assert_eq!(house.count("SELECT count(*) FROM crons").await, 1);
    assert_eq!(
        as_release(2, Declares::Again, &daily).await,
        Declared::Still
    );

    house
        .change("UPDATE cron_sets SET seen_at = now() - interval '11 minutes'")
        .await;
    assert_eq!(
        as_release(1, Declares::Again, &[]).await,
        Declared::Now,
        "it was rolled back"
    );
    assert_eq!(house.count("SELECT count(*) FROM crons").await, 0);
    assert_eq!(
        as_release(2, Declares::Again, &daily).await,
        Declared::Now,
        "and upgraded again"
    );
    assert_eq!(house.count("SELECT count(*) FROM crons").await, 1);
}

#[tokio::test]
async fn a_paused_one_waits_and_says_who_paused_it_and_why() {
    let house = House::new().await;
    let schedules = house.queue.schedules();
    declare(&house, &[every_minute(Missed::Once)]).await;
    assert!(
        schedules
            .pause("ops/digest", "anna", "too loud")
            .await
            .unwrap()
    );
    missed_for(&house, 5).await;

    assert_eq!(tick(&house).await, 0);
    let paused = only(schedules.list("").await.unwrap()).paused.unwrap();
    assert_eq!(
        (paused.by.as_str(), paused.why.as_str()),
        ("anna", "too loud")
    );

    assert!(schedules.resume("ops/digest", "ben", "fine").await.unwrap());
    assert_eq!(
        tick(&house).await,
        0,
        "what came meanwhile is not made up for"
    );
    assert_eq!(house.count("SELECT count(*) FROM desk_log").await, 2);
    assert!(!schedules.pause("nobody", "anna", "?").await.unwrap());
}

/// Two processes tick; the one that holds the election hangs without a word, as a stopped one does.
#[tokio::test(flavor = "multi_thread")]
async fn another_process_takes_over_from_one_that_hangs_and_each_occurrence_comes_once() {
    let house = House::new().await;
    declare(&house, &[every_minute(Missed::Once)]).await;
    missed_for(&house, 0).await;
    let tasks = TaskTracker::new();
    let hung = house
        .database
        .pools()
        .connect_driven("hangs", Role::Workers, &tasks)
        .await
        .unwrap();
    hung.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(hashtext('sallyport schedules'))")
        .await
        .unwrap();
    let other = Queue::open(house.database.pools(), Settings::default())
        .await
        .unwrap();
    let (one, two) = (house.queue.schedules(), other.schedules());
    assert!(!one.tick().await.unwrap().elected && !two.tick().await.unwrap().elected);

    let began = Instant::now();
    wait_until("one of the others is elected", || async {
        let (one, two) = tokio::join!(one.tick(), two.tick());
        one.unwrap().elected || two.unwrap().elected
    })
    .await;

    assert!(began.elapsed() < TAKEOVER);
    assert_eq!(
        house
            .count("SELECT count(*) FROM messages WHERE source = 'schedule'")
            .await,
        1
    );
    drop(hung);
}
