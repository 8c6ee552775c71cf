//! F16: every webhook comes one to five times, shuffled, and again a day and almost a week later. Each has one effect.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::LocalBoxFuture;
use futures::{FutureExt, StreamExt};
use rand::Rng;
use rand::seq::SliceRandom;

use crate::checker::{Answer, Asked, Number};
use crate::load::{FIRST_CHAT, MARK, Told, Try, moment};
use crate::row::{Duplicates, LEASE_SETTING, Outcome, Row, Stage, spell};
use crate::site::Site;
use crate::updates;

pub(crate) const ROW: Row = Row {
    id: "F16",
    fault: "each webhook 1–5 times, shuffled, and again 1 and 6 days later",
    allowed: "lost 0; one effect per source and delivery; every repeat is answered 2xx",
    duplicates: Duplicates::Never,
    run,
};

const COPIES_MAX: u32 = 5;
/// Repeats of the same update are under way at the same time.
const AT_ONCE: usize = 64;
/// When everything comes once more. What is older than seven days is forgotten.
const LATER_DAYS: [f64; 2] = [1.0, 6.0];
const DAY: f64 = 86_400.0;

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    repeat(stage).boxed_local()
}

async fn repeat(stage: &mut Stage) -> Outcome {
    let clocks = ["edge", "postgres"].map(|name| stage.cluster.clock(name));
    stage.cluster.restart_with(clocks[1].environment()).await;
    let mut site = stage.build_with(&[LEASE_SETTING]).await;
    site.gateway.environment = clocks[0].environment();
    stage.start(&mut site, "").await;
    let seconds = u32::try_from(stage.lasting.as_secs()).unwrap();
    let updates = u64::from(stage.base.rate * seconds / 2);
    let mut posts: Vec<Number> = Vec::new();
    for number in 1..=updates {
        let copies = stage.rng.random_range(1..=COPIES_MAX);
        posts.extend((0..copies).map(|_| number));
    }
    posts.shuffle(&mut stage.rng);
    let copies = posts.len();
    let mut posted = post_all(&site, posts, stage.base.chats).await;
    let answered = wait_for_answers(&site, updates).await;
    for days in LATER_DAYS {
        for clock in &clocks {
            clock.go_wrong_by(days * DAY);
        }
        tokio::time::sleep(crate::clock::NOTICED_WITHIN * 2).await;
        let mut again: Vec<Number> = (1..=updates).collect();
        again.shuffle(&mut stage.rng);
        posted.extend(post_all(&site, again, stage.base.chats).await);
    }
    let told = told(posted);

    let failed = told.failed(0, u64::MAX);
    let mut outcome = Outcome::of(site.evidence_of(told).await);
    outcome.fact(format!(
        "{updates} updates in {copies} deliveries, then each twice more, days later"
    ));
    outcome.fact(format!(
        "all answered {} after the last first delivery",
        spell(answered)
    ));
    outcome.check(
        format!("deliveries that were not answered 2xx: {failed}"),
        failed == 0,
    );
    outcome.fact("signatures with a time in them: no source of the house has any");
    for clock in &clocks {
        clock.go_wrong_by(0.0);
    }
    stage.cluster.restart_with(Vec::new()).await;
    outcome
}

/// One delivery of one update.
struct Post {
    number: Number,
    key: i64,
    tried: Try,
}

async fn post_all(site: &Site, numbers: Vec<Number>, chats: i64) -> Vec<Post> {
    let posts = numbers.into_iter().map(|number| async move {
        let id = i64::try_from(number).unwrap();
        let key = FIRST_CHAT + id % chats;
        let update = updates::text(id, key, &format!("{MARK}{number}"));
        let began = Instant::now();
        let status = site.post(&update).await;
        let tried = Try {
            due: moment(site.origin, began),
            took: began.elapsed(),
            status,
            says_when: false,
        };
        Post { number, key, tried }
    });
    futures::stream::iter(posts)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// Until the stand-in has seen them all.
async fn wait_for_answers(site: &Site, updates: u64) -> Option<Duration> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        if site.effects() >= usize::try_from(updates).unwrap() {
            return Some(began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None
}

/// What the senders know: the first 2xx of an update counts.
fn told(posts: Vec<Post>) -> Told {
    let mut asked: BTreeMap<Number, Asked> = BTreeMap::new();
    let mut tries = Vec::new();
    for Post { number, key, tried } in posts {
        let entry = asked.entry(number).or_insert(Asked {
            number,
            key,
            began: tried.due,
            answer: Answer::Refused,
            accepted: None,
        });
        entry.began = entry.began.min(tried.due);
        match tried.status {
            Some(200..300) => {
                let at = tried.due + u64::try_from(tried.took.as_micros()).unwrap();
                entry.accepted = Some(entry.accepted.map_or(at, |earlier| earlier.min(at)));
                entry.answer = Answer::Accepted;
            }
            None if entry.accepted.is_none() => entry.answer = Answer::Unknown,
            Some(_) | None => {}
        }
        tries.push(tried);
    }
    Told {
        asked: asked.into_values().collect(),
        tries,
    }
}
