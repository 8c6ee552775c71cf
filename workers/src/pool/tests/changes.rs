//! Changes of ownership: a hundred that nobody was asked about, with one committed effect per message and every stale settlement
//! refused and counted; and one in the middle of a backlog.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sallyport_queue::{Key, NewMessage, Priority};
use tokio::sync::watch;

use super::house::{Bot, House, KIND, REMEMBER, message, quick, wait_until, with_effect};
use crate::pool::{Handled, KindPolicy};

const CHANGES: u64 = 100;
const PER_CHANGE: u64 = 5;

/// Takes every lease from whoever has it and gives it to the other, without asking: what a worker sees that was stopped
/// for longer than its lease.
const STEAL: &str = "WITH held AS (SELECT partition FROM leases WHERE owner IS NOT NULL ORDER BY partition FOR UPDATE) \
     UPDATE leases SET token = token + 1, owner = CASE owner WHEN 'pine' THEN 'oak' ELSE 'pine' END \
     FROM held WHERE leases.partition = held.partition";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_ownership_changes_leave_one_effect_per_message_and_every_stale_settlement_refused()
 {
    // A theft is noticed at the next beat, and a lease has five of them.
    let house = Arc::new(House::with_leases_of(1_000).await);
    house
        .owner
        .batch_execute("CREATE TABLE effects (message_id bigint NOT NULL); GRANT INSERT ON effects TO sallyport_workers")
        .await
        .unwrap();
    let (change, changed) = watch::channel(0_u64);
    let policy = KindPolicy {
        attempts_max: 1_000,
        ..quick()
    };
    let bot = Bot::new(policy, move |message, _| {
        let mut changed = changed.clone();
        async move {
            if message.attempts == 0 {
                // The first attempt ends only after its partition was taken away: its settlement must be refused.
                changed.wait_for(|now| now % 2 == 1).await.ok();
            }
            match message.id.0 % 2 {
                0 => with_effect(message.id, REMEMBER),
                _ => Handled::done(),
            }
        }
    });
    let pine = house.pool("pine", &bot).await;
    let oak = house.pool("oak", &bot).await;
    wait_until("both own something", async || {
        house.count("leases", "owner = 'pine'").await == 128
            && house.count("leases", "owner = 'oak'").await == 128
    })
    .await;

    for round in 0..CHANGES {
        change.send_replace(round * 2);
        let before = bot.runs.load(Ordering::Relaxed);
        house
            .enqueue((0..PER_CHANGE).map(|number| format!("in:test:{round}:{number}")))
            .await;
        wait_until("one of them runs", async || {
            bot.runs.load(Ordering::Relaxed) > before
        })
        .await;
        // The thief may meet both workers' own lease statements and be told to give way.
        wait_until("the leases are stolen", async || {
            house.owner.execute(STEAL, &[]).await.is_ok()
        })
        .await;
        change.send_replace(round * 2 + 1);
    }

    wait_until("everything ends", async || {
        house.count("queue", "true").await == 0
    })
    .await;
    assert_every_message_ended_once(&house).await;
    assert!(refused(&house) > 0, "nothing stale was ever refused");
    pine.drain(Duration::from_secs(2)).await;
    oak.drain(Duration::from_secs(2)).await;
}

async fn assert_every_message_ended_once(house: &House) {
    let all = i64::try_from(CHANGES * PER_CHANGE).unwrap();
    assert_eq!(house.count("endings", "outcome = 'done'").await, all);
    let twice = "message_id IN (SELECT message_id FROM endings GROUP BY 1 HAVING count(*) > 1)";
    assert_eq!(house.count("endings", twice).await, 0);
    assert_eq!(
        house.count("effects", "true").await,
        house.count("messages", "id % 2 = 0").await
    );
    let doubled = "message_id IN (SELECT message_id FROM effects GROUP BY 1 HAVING count(*) > 1)";
    assert_eq!(house.count("effects", doubled).await, 0);
}

fn refused(house: &House) -> usize {
    let tales = house.tales.lock();
    tales
        .iter()
        .flatten()
        .filter(|span| span.name.starts_with("settle") && span.error().is_some())
        .count()
}

/// With a backlog there is always a claim under way; a handover must find its moment between two of them all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_joins_gets_its_share_while_a_backlog_is_worked_off() {
    const BACKLOG: u64 = 40_000;
    const SLOW_CLAIMS: &str = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql \
         AS $$ BEGIN PERFORM pg_sleep(0.05); RETURN NULL; END $$; \
         CREATE TRIGGER slow BEFORE INSERT ON claims FOR EACH STATEMENT EXECUTE FUNCTION slow()";
    let house = House::build().await;
    let bot = Bot::new(quick(), |_, _| async { Handled::done() });
    let messages = (0..BACKLOG).map(|number| NewMessage {
        priority: Priority::Background,
        ..message(
            KIND,
            Key::from(format!("in:test:{}", number % 500)),
            String::new(),
        )
    });
    house.enqueue_together(messages).await;
    house.owner.batch_execute(SLOW_CLAIMS).await.unwrap();

    let pine = house.pool("pine", &bot).await;
    let oak = house.pool("oak", &bot).await;
    wait_until("the newcomer owns its share", async || {
        house.count("leases", "owner = 'oak'").await == 128
    })
    .await;

    let left = house.count("queue", "true").await;

    assert!(left > 10_000, "only when {left} were left");
    pine.drain(Duration::from_secs(2)).await;
    oak.drain(Duration::from_secs(2)).await;
}
