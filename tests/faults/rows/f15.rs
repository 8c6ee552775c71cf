//! F15: the clocks of the edge, of the workers and of Postgres jump by an hour to either side and drift, one after the other.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use sallyport_queue::Key;
use serde_json::{Value, json};

use crate::clock::{Clock, NOTICED_WITHIN};
use crate::load::Base;
use crate::outfit::tick;
use crate::row::{Duplicates, Outcome, Row, Stage};
use crate::site::Site;
use crate::updates;

pub(crate) const ROW: Row = Row {
    id: "F15",
    fault: "clocks jump ±1 h and drift: edge, each worker, Postgres in turn (the wall clock alone)",
    allowed: "lost 0; duplicates only with their record; no lease changes hands; no 429 earned; no negative time; schedules once",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// Telegram's pace, so that a bucket that is filled too soon earns a 429; leases as they are shipped, or a busy machine would move one.
const SETTINGS: [(&str, &str); 2] = [
    ("TELEGRAM_OPS_PACING", "cloud"),
    ("SALLYPORT_PLAYGROUND_LIMITS", "cloud"),
];
/// Leases that have not moved for so long have found their workers.
const CALM: Duration = Duration::from_secs(8);
const HOUR: f64 = 3_600.0;
const JUMPS: [f64; 4] = [HOUR, 0.0, -HOUR, 0.0];
/// A drift as it is seen through steps that are made four times in a second: 5 %.
const DRIFT_STEPS: u32 = 16;
const DRIFT_STEP: f64 = 0.0125;
/// Updates in a second, below what Telegram takes of one bot.
const RATE: u32 = 15;
/// Chats that are always behind: what they may be told is what their bucket holds.
const HOT_CHAT: i64 = 900_000;
const HOT_MESSAGES: i64 = 8;
/// Chats that schedules speak to, and when those are due: inside the hour that the clock jumps over.
const SCHEDULE_CHAT: i64 = 950_000;
const SCHEDULES: i64 = 10;
const SCHEDULE_SQL: &str = "
    insert into schedules (name, due_at, every_seconds, bot, tenant, source, kind, kind_version, key, partition, priority, payload,
                           payload_format, trace)
    values ($1, now() + interval '30 minutes', $2, 'ops', 'house', 'faults', 'telegram.send', 1, $3, $4, 2, $5, 0,
            decode('0102030405060708090a0b0c0d0e0f10a1a2a3a4a5a6a7a800', 'hex'))";

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    mislead(stage).boxed_local()
}

async fn mislead(stage: &mut Stage) -> Outcome {
    let names = ["edge", "worker 0", "worker 1", "postgres"];
    let clocks = names.map(|name| stage.cluster.clock(&name.replace(' ', "-")));
    stage.cluster.restart_with(clocks[3].environment()).await;
    let mut site = stage.build_with(&SETTINGS).await;
    site.gateway.environment = clocks[0].environment();
    site.workers[0].environment = clocks[1].environment();
    site.workers[1].environment = clocks[2].environment();
    stage.start(&mut site, "").await;
    schedule(&site).await;
    let tokens = settled(&site).await;
    let rate = stage.base.rate.min(RATE);
    let load = site.load(Base {
        rate,
        chats: i64::from(rate) * 5 / 4,
    });
    let pause = (stage.lasting / 24).max(NOTICED_WITHIN + Duration::from_millis(500));
    let mut negative = Vec::new();
    for (number, clock) in clocks.iter().enumerate() {
        for (jump, seconds) in JUMPS.into_iter().enumerate() {
            keep_busy(&site, number * JUMPS.len() + jump).await;
            clock.go_wrong_by(seconds);
            // A schedule's hour must be seen by whoever looks for what is due.
            let patience = if number == 3 {
                pause.max(Duration::from_secs(4))
            } else {
                pause
            };
            tokio::time::sleep(patience).await;
        }
        negative.extend(negative_times(&site).await);
    }
    for clock in &clocks {
        drift(clock, stage.is_short).await;
    }
    let moved = site.number(TOKENS).await - tokens;

    let mut outcome = Outcome::of(site.evidence(load).await);
    outcome.check(format!("leases that changed hands: {moved}"), moved == 0);
    let refused = too_fast(&site).await;
    outcome.check(format!("429 earned: {refused}"), refused == 0);
    negative.extend(negative_times(&site).await);
    negative.dedup();
    outcome.check(
        format!("negative times: {}", negative.join(", ")),
        negative.is_empty(),
    );
    let backwards = site
        .number("select count(*) from endings where ended_at < started_at")
        .await;
    outcome.fact(format!(
        "ends before their beginning, as two clocks wrote them: {backwards}"
    ));
    let times = scheduled(&site).await;
    outcome.check(
        format!(
            "{} schedules, due once while the clock was ahead, came {times:?} times",
            SCHEDULES + 1
        ),
        times.iter().all(|count| *count == 1),
    );
    outcome.fact("access tokens: settings allow clocks to differ by 60 s at most; F39 shows tokens around that");
    for clock in &clocks {
        clock.go_wrong_by(0.0);
    }
    stage.cluster.restart_with(Vec::new()).await;
    outcome
}

const TOKENS: &str = "select sum(token)::bigint from leases";

/// The tokens once both workers have their share and nothing moves any more.
async fn settled(site: &Site) -> i64 {
    let (mut tokens, mut since) = (site.number(TOKENS).await, Instant::now());
    while since.elapsed() < CALM {
        tick().await;
        let now = site.number(TOKENS).await;
        if now != tokens {
            (tokens, since) = (now, Instant::now());
        }
    }
    tokens
}

/// Makes a few chats wait for their turn while a clock jumps.
async fn keep_busy(site: &Site, round: usize) {
    let round = i64::try_from(round).unwrap();
    for turn in 0..HOT_MESSAGES {
        let id = 500_000_000 + round * 100 + turn;
        site.post(&updates::text(id, HOT_CHAT + round, "/start"))
            .await;
    }
}

async fn drift(clock: &Clock, is_short: bool) {
    let steps = if is_short {
        DRIFT_STEPS / 4
    } else {
        DRIFT_STEPS * 2
    };
    for step in 1..=steps {
        clock.go_wrong_by(f64::from(step) * DRIFT_STEP);
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    clock.go_wrong_by(0.0);
}

/// Ten for once, and one for every hour.
async fn schedule(site: &Site) {
    let database = site.database().await;
    for number in 0..=SCHEDULES {
        let chat = SCHEDULE_CHAT + number;
        let every = (number == SCHEDULES).then_some(3_600_i64);
        let key = Key::from(format!("out:telegram:ops:{chat}"));
        let partition = i16::from(key.partition().index());
        let said = json!({"chat": chat, "text": {"plain": "it is time"}}).to_string();
        let name = format!("faults {number}");
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&name, &every, &key.as_str(), &partition, &said.as_bytes()];
        database.execute(SCHEDULE_SQL, &values).await.unwrap();
    }
}

async fn scheduled(site: &Site) -> Vec<usize> {
    let mut times = Vec::new();
    for number in 0..=SCHEDULES {
        let chat = SCHEDULE_CHAT + number;
        let shown = site.shown(&format!("telegram/sent?chat_id={chat}")).await;
        times.push(shown.as_array().map_or(0, Vec::len));
    }
    times
}

/// How often the stand-in had to say that we are too fast.
async fn too_fast(site: &Site) -> u64 {
    let counts = site.shown("telegram/counts").await;
    find_429(&counts)
}

fn find_429(value: &Value) -> u64 {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match (name.as_str(), value.as_u64()) {
                ("429", Some(count)) => count,
                _ => find_429(value),
            })
            .sum(),
        Value::Array(values) => values.iter().map(find_429).sum(),
        _ => 0,
    }
}

/// The lines of all metrics whose time is below zero.
async fn negative_times(site: &Site) -> Vec<String> {
    let mut found = Vec::new();
    for program in site.workers.iter().chain([&site.gateway]) {
        let text = program.metrics(&site.client).await;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let below = lines.filter(|line| {
            line.contains("seconds")
                && line
                    .rsplit_once(' ')
                    .is_some_and(|(_, value)| value.starts_with('-'))
        });
        found.extend(below.map(str::to_owned));
    }
    let spans = site
        .number("select count(*) from spans where duration_ns < 0")
        .await;
    if spans > 0 {
        found.push(format!("{spans} spans"));
    }
    found
}
