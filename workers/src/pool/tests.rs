//! Stories of the pool against a real Postgres.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sallyport_queue::mailboxes::HeadPolicy;
use sallyport_queue::{ErrorNote, Verdict};

use super::{Handled, KindPolicy};

mod blame;
mod changes;
mod fairness;
mod house;
mod limits;
mod poison;
mod steering;

use house::{Bot, House, quick, wait_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_is_handled_once_and_leaves_nothing_behind() {
    let house = House::build().await;
    let bot = Bot::new(quick(), |_, _| async { Handled::done() });
    let pool = house.pool("pine", &bot).await;

    house
        .enqueue((0..500).map(|number| format!("in:test:{number}")))
        .await;
    wait_until("all messages end as done", async || {
        house.count("endings", "outcome = 'done'").await == 500
    })
    .await;

    assert_eq!(house.count("queue", "true").await, 0);
    assert_eq!(bot.runs.load(Ordering::Relaxed), 500);
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_a_key_run_one_after_the_other_in_order() {
    let house = House::build().await;
    let bot = Bot::new(quick(), |_, _| async {
        tokio::task::yield_now().await;
        Handled::done()
    });
    let ids = house
        .enqueue((0..100).map(|_| String::from("in:test:one")))
        .await;

    let pool = house.pool("pine", &bot).await;
    wait_until("all messages end", async || {
        house.count("queue", "true").await == 0
    })
    .await;

    assert_eq!(*bot.order.lock(), ids);
    assert_eq!(bot.most_at_once.load(Ordering::Relaxed), 1);
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panicking_handler_is_contained_and_its_message_becomes_a_dead_letter_that_tells_its_person()
 {
    let house = House::build().await;
    let bot = Bot::new(quick(), |message, _| async move {
        assert!(
            message.kind.as_ref() != "test.message" || message.key.as_str() != "in:test:bad",
            "a planted panic"
        );
        Handled::done()
    });
    let pool = house.pool("pine", &bot).await;

    house
        .enqueue([String::from("in:test:bad"), String::from("in:test:good")])
        .await;
    wait_until("the dead letter's notice is handled", async || {
        house.count("endings", "outcome = 'done'").await == 2
    })
    .await;

    assert_eq!(
        house
            .count("dead_letters", "error_kind = 'panic' AND attempts = 3")
            .await,
        1
    );
    assert_eq!(
        house.count("attempts", "error_kind = 'panic'").await,
        2,
        "the last one is the ending"
    );
    assert_eq!(house.count("messages", "kind = 'test.notice'").await, 1);
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_handler_of_one_key_delays_no_other_key() {
    let house = House::build().await;
    let bot = Bot::new(quick(), |message, _| async move {
        if message.key.as_str() == "in:test:hung" {
            std::future::pending::<()>().await;
        }
        Handled::done()
    });
    let pool = house.pool("pine", &bot).await;

    house
        .enqueue([String::from("in:test:hung"), String::from("in:test:hung")])
        .await;
    house
        .enqueue((0..200).map(|number| format!("in:test:{number}")))
        .await;
    wait_until("the others are done", async || {
        house.count("endings", "outcome = 'done'").await == 200
    })
    .await;

    assert_eq!(house.count("queue", "true").await, 2);
    pool.drain(Duration::from_millis(50)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_misses_its_deadline_is_dropped_and_tried_again() {
    let house = House::build().await;
    let policy = KindPolicy {
        deadline: Duration::from_millis(30),
        ..quick()
    };
    let bot = Bot::new(policy, |_, run| async move {
        if run.attempt == 1 {
            std::future::pending::<()>().await;
        }
        Handled::done()
    });
    let pool = house.pool("pine", &bot).await;

    house.enqueue([String::from("in:test:slow")]).await;
    wait_until("the second attempt is done", async || {
        house.count("endings", "attempt = 2").await == 1
    })
    .await;

    assert_eq!(house.count("attempts", "error_kind = 'deadline'").await, 1);
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_lets_handlers_end_and_gives_the_rest_back_uncounted() {
    let house = House::build().await;
    let bot = Bot::new(quick(), |message, _| async move {
        if message.key.as_str() == "in:test:hung" {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        Handled::done()
    });
    let pool = house.pool("pine", &bot).await;
    house
        .enqueue(["in:test:hung", "in:test:hung", "in:test:short"].map(String::from))
        .await;
    wait_until("two run", async || bot.runs.load(Ordering::Relaxed) == 2).await;

    pool.drain(Duration::from_millis(400)).await;

    assert_eq!(
        house.count("endings", "outcome = 'done'").await,
        1,
        "the short one could end"
    );
    assert_eq!(
        house
            .count("queue", "attempts = 0 AND NOT interrupted")
            .await,
        2
    );
    assert_eq!(house.count("leases", "owner IS NOT NULL").await, 0);
    assert_eq!(house.count("workers", "true").await, 0);

    let second = Bot::new(quick(), |message, _| async move {
        assert!(
            !message.interrupted && message.attempts == 0,
            "a graceful stop is no attempt"
        );
        Handled::done()
    });
    let pool = house.pool("oak", &second).await;
    wait_until("the rest is done by another", async || {
        house.count("queue", "true").await == 0
    })
    .await;
    assert_eq!(house.count("endings", "outcome = 'done'").await, 3);
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_head_holds_its_key_and_then_lets_the_next_pass() {
    let house = House::build().await;
    let policy = KindPolicy {
        head: HeadPolicy::Hold {
            at_most: Duration::from_secs(30),
        },
        ..quick()
    };
    let bot = Bot::new(policy, |message, run| async move {
        if message.payload.as_ref() == b"0" && run.attempt < 3 {
            return Handled::retry(ErrorNote::new("planted", "not yet"));
        }
        Handled::done()
    });
    let ids = house
        .enqueue((0..3).map(|_| String::from("in:test:one")))
        .await;
    let pool = house.pool("pine", &bot).await;

    wait_until("all end", async || house.count("queue", "true").await == 0).await;

    let (first, rest) = ids.split_first().unwrap();
    assert_eq!(
        *bot.order.lock(),
        [&[*first, *first, *first], rest].concat()
    );
    assert_eq!(house.count("held_keys", "true").await, 0);
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snooze_is_no_attempt_and_keeps_its_parked_key_waiting() {
    let house = House::build().await;
    let policy = KindPolicy {
        head: HeadPolicy::Park,
        ..quick()
    };
    let bot = Bot::new(policy, |message, _| async move {
        let again = message.payload.as_ref() == b"0" && message.ready_at == message.first_queued_at;
        match again {
            true => Handled::from(Verdict::Snooze {
                for_: Duration::from_millis(50),
            }),
            false => Handled::done(),
        }
    });
    let ids = house
        .enqueue((0..2).map(|_| String::from("out:test:one")))
        .await;
    let pool = house.pool("pine", &bot).await;

    wait_until("both end", async || house.count("queue", "true").await == 0).await;

    assert_eq!(*bot.order.lock(), [ids[0], ids[0], ids[1]]);
    assert_eq!(house.count("endings", "attempt = 1").await, 2);
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn effects_that_fail_leave_nothing_and_the_attempt_counts_as_failed() {
    let house = House::build().await;
    house.owner.batch_execute("CREATE TABLE effects (message_id bigint NOT NULL); GRANT INSERT ON effects TO sallyport_workers").await.unwrap();
    let bot = Bot::new(quick(), |message, run| async move {
        let statement = if run.attempt == 1 {
            "INSERT INTO effects VALUES ($1), (NULL)"
        } else {
            house::REMEMBER
        };
        house::with_effect(message.id, statement)
    });
    let pool = house.pool("pine", &bot).await;

    house.enqueue([String::from("in:test:one")]).await;
    wait_until("it ends", async || {
        house
            .count("endings", "attempt = 2 AND outcome = 'done'")
            .await
            == 1
    })
    .await;

    assert_eq!(house.count("effects", "true").await, 1);
    assert_eq!(house.count("attempts", "error_kind = 'effects'").await, 1);
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_too_late_expires_without_being_handled() {
    let house = House::build().await;
    let policy = KindPolicy {
        late_after: Some(Duration::ZERO),
        ..quick()
    };
    let bot = Bot::new(policy, |_, _| async { Handled::done() });
    let pool = house.pool("pine", &bot).await;

    house.enqueue([String::from("in:test:late")]).await;
    wait_until("it ends", async || {
        house.count("endings", "outcome = 'expired'").await == 1
    })
    .await;

    assert_eq!(bot.runs.load(Ordering::Relaxed), 0);
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_attempt_is_told_with_its_settlement_and_the_edges_spans() {
    let house = House::build().await;
    let bot = Bot::new(quick(), |_, run| async move {
        match run.attempt {
            1 => Handled::retry(ErrorNote::new("planted", "not yet")),
            _ => Handled::done(),
        }
    });
    let pool = house.pool("pine", &bot).await;

    house.enqueue([String::from("in:test:one")]).await;
    wait_until("it ends", async || house.count("queue", "true").await == 0).await;
    wait_until("its tale is kept", async || house.tales.lock().len() == 1).await;

    let tale = house.tales.lock().pop().unwrap();
    let names: Vec<&str> = tale.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["process test.message", "settle test.message"]);
    assert_eq!(tale[0].error(), Some("not yet"));
    assert_eq!(tale[1].parent, Some(tale[0].span_id));
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_pool_begins_nothing_until_it_is_resumed() {
    let house = House::build().await;
    let bot = Bot::new(quick(), |_, _| async { Handled::done() });
    let pool = house.pool("pine", &bot).await;
    pool.pause().await;

    house.enqueue([String::from("in:test:one")]).await;
    assert_eq!(bot.runs.load(Ordering::Relaxed), 0);
    pool.resume().await;

    wait_until("it ends", async || house.count("queue", "true").await == 0).await;
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_worker_had_begun_counts_as_an_attempt_and_a_send_as_ambiguous() {
    let house = House::build().await;
    let policy = KindPolicy {
        sends: true,
        ..quick()
    };
    let hung = Bot::new(policy.clone(), |_, _| std::future::pending());
    let pine = house.pool("pine", &hung).await;
    house.enqueue([String::from("out:test:one")]).await;
    wait_until("it runs", async || hung.runs.load(Ordering::Relaxed) == 1).await;

    house.kill(&pine, "pine").await;
    let seen = Bot::new(policy, |message, run| async move {
        assert!(
            message.interrupted && run.attempt == 2,
            "the first attempt was begun"
        );
        Handled::done()
    });
    let oak = house.pool("oak", &seen).await;
    wait_until("another takes over", async || {
        house
            .count("endings", "outcome = 'done' AND attempt = 2")
            .await
            == 1
    })
    .await;

    assert_eq!(house.count("ambiguous", "true").await, 1);
    oak.drain(Duration::from_secs(1)).await;
}
