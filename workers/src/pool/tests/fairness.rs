//! A loud tenant, a flood of background work, and those who must not notice (law L10).

use std::time::{Duration, Instant};

use sallyport_queue::{Key, NewMessage, Priority};
use tokio::sync::watch;

use super::house::{Bot, House, KIND, message, quick, wait_until};
use crate::pool::Handled;

const LOUD: usize = 20_000;
const QUIET: usize = 40;

fn of_tenant(tenant: &str, key: String) -> NewMessage {
    NewMessage {
        tenant: tenant.to_owned(),
        ..message(KIND, Key::from(key), String::new())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_a_hundred_times_more_does_not_keep_the_others_waiting() {
    let house = House::build().await;
    house
        .enqueue_together((0..LOUD).map(|number| of_tenant("loud", format!("in:loud:{number}"))))
        .await;
    let quiet = (0..QUIET).map(|number| {
        of_tenant(
            &format!("quiet{}", number % 5),
            format!("in:quiet:{number}"),
        )
    });
    house.enqueue_together(quiet).await;
    let bot = Bot::new(quick(), |_, _| async { Handled::done() });

    let pool = house.pool("pine", &bot).await;
    wait_until("everything is done", async || {
        house.count("queue", "true").await == 0
    })
    .await;

    let first_quiet = house
        .owner
        .query_one(
            "SELECT min(id) FROM messages WHERE tenant LIKE 'quiet%'",
            &[],
        )
        .await;
    let first_quiet: i64 = first_quiet.unwrap().get(0);
    let order = bot.order.lock().clone();
    let last = order.iter().rposition(|id| id.0 >= first_quiet).unwrap();
    assert!(last < LOUD / 2, "the last quiet one was number {last}");
    pool.drain(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_waits_for_starts_at_once_although_background_work_fills_every_hand() {
    let house = House::build().await;
    house
        .enqueue_together((0..10_000).map(|number| NewMessage {
            priority: Priority::Background,
            ..of_tenant("loud", format!("ask:{number}"))
        }))
        .await;
    let (over, ends) = watch::channel(false);
    let bot = Bot::new(quick(), move |message, _| {
        let mut ends = ends.clone();
        async move {
            if message.priority == Priority::Background {
                ends.wait_for(|over| *over).await.ok();
            }
            Handled::done()
        }
    });
    let pool = house.pool("pine", &bot).await;
    let full = async || bot.runs.load(std::sync::atomic::Ordering::Relaxed) >= 768;
    wait_until("background work fills its slots", full).await;

    let mut quickest = Duration::MAX;
    for number in 1..=3 {
        let start = Instant::now();
        house
            .enqueue_together([of_tenant("loud", format!("in:person:{number}"))])
            .await;
        wait_until("it is done", async || {
            house.count("endings", "true").await == number
        })
        .await;
        quickest = quickest.min(start.elapsed());
    }

    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
    over.send_replace(true);
    wait_until("the rest is done", async || {
        house.count("queue", "true").await == 0
    })
    .await;
    pool.drain(Duration::from_secs(1)).await;
}
