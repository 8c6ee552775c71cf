//! F27: small bodies that unpack to enormous ones, in one layer or in many. Nothing is unpacked, so nothing explodes.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::crowd;
use crate::front::{self, Behind};
use crate::latency::Times;
use crate::outfit::WEBHOOK_SECRET;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;
use crate::vitals::Memory;

pub(crate) const ROW: Row = Row {
    id: "F27",
    fault: "webhooks and calls whose bodies are packed: 100 MB in 100 KB, in a hundred layers, said to be br, deflate, zstd or nothing at all",
    allowed: "415 in 50 ms, or 400 where it is not said that they are packed; memory +10 MB at most; good p99 < 200 ms",
    duplicates: Duplicates::Never,
    run,
};

const UNPACKED_BYTES: usize = 100 << 20;
const LAYERS: usize = 100;
const REFUSED_WITHIN: Duration = Duration::from_millis(50);
const GROWTH_MAX: u64 = 10 << 20;
const ROUNDS: usize = 60;
const SHORT_ROUNDS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(10);

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    explode(stage).boxed_local()
}

/// A packed body and how it is labelled.
struct Bomb {
    name: &'static str,
    coding: Option<String>,
    body: Vec<u8>,
}

async fn explode(stage: &mut Stage) -> Outcome {
    let behind = Behind::start().await;
    let (site, _folder) = front::open(stage, "", Some(behind.address)).await;
    let bombs = tokio::task::spawn_blocking(bombs).await.unwrap();
    let load = site.load(stage.base);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let rounds = if stage.is_short { SHORT_ROUNDS } else { ROUNDS };
    // Each once to warm up.
    let _warm = throw(&site, &bombs, rounds).await;
    let (memory, from) = (Memory::watch(site.gateway.process()), load.now());
    let (mut times, mut wrong) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for (name, expected, status, took) in throw(&site, &bombs, round).await {
            times.push(took);
            if status != Some(expected) {
                wrong.push(format!("{name}: {status:?}"));
            }
        }
    }
    let (grown, to) = (memory.grown(), load.now());

    let mut outcome = Outcome::of(site.evidence(load).await);
    let (count, times) = (times.len(), Times::from_iter(times));
    for bomb in &bombs {
        outcome.fact(format!("{}: {} KB", bomb.name, bomb.body.len() >> 10));
    }
    wrong.dedup();
    outcome.check(
        format!("answered otherwise: {} {}", wrong.len(), wrong.join(", ")),
        wrong.is_empty(),
    );
    let p99 = times.quantile(0.99);
    outcome.check(
        format!(
            "{count} refusals, p99 {} (50 ms), the longest {}",
            spell(p99),
            spell(times.longest())
        ),
        p99.is_some_and(|p99| p99 < REFUSED_WITHIN),
    );
    outcome.check(
        format!("the edge grew by {} KB (10 MB)", grown >> 10),
        grown < GROWTH_MAX,
    );
    front::check_neighbours(&mut outcome, "meanwhile", from, to);
    outcome
}

/// All bombs.
fn bombs() -> Vec<Bomb> {
    let packed = pack(&vec![b' '; UNPACKED_BYTES]);
    let mut layered = packed.clone();
    for _ in 1..LAYERS {
        layered = pack(&layered);
    }
    let labelled = |name, coding: &str, body: &[u8]| Bomb {
        name,
        coding: Some(coding.to_owned()),
        body: body.to_owned(),
    };
    vec![
        labelled("gzip", "gzip", &packed),
        labelled(
            "a hundred layers of gzip",
            &["gzip"; LAYERS].join(", "),
            &layered,
        ),
        labelled("said to be br", "br", &packed),
        labelled("said to be deflate", "DEFLATE", &packed),
        labelled("said to be zstd", "zstd", &packed),
        Bomb {
            name: "gzip that is not said to be",
            coding: None,
            body: packed,
        },
    ]
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Thrown = (&'static str, u16, Option<u16>, Duration);

/// Each bomb once at the webhook and once at what is handed on: what it was to be answered, what it was, and how soon.
///
/// Each round comes from an address of its own: one that is refused ten times a second is told 429 instead.
async fn throw(site: &Site, bombs: &[Bomb], round: usize) -> Vec<Thrown> {
    let mut thrown = Vec::new();
    for bomb in bombs {
        // What is not said to be packed is judged by what it is: no JSON, for which its body has to be read.
        let expected = if bomb.coding.is_some() { 415 } else { 400 };
        let paths = ["/telegram/ops", "/slow/body"];
        let labelled = paths.iter().take(if bomb.coding.is_some() { 2 } else { 1 });
        for path in labelled {
            let began = Instant::now();
            let answered = tokio::time::timeout(PATIENCE, status_of(site, path, bomb, round)).await;
            let status = answered.ok().and_then(Result::ok);
            thrown.push((bomb.name, expected, status, began.elapsed()));
        }
    }
    thrown
}

/// The status of the answer, on a connection of its own, while the body is still being sent.
async fn status_of(site: &Site, path: &str, bomb: &Bomb, round: usize) -> std::io::Result<u16> {
    let stream = crowd::dial(round * crowd::PER_ADDRESS, site.outfit.doors.http, false).await?;
    let coding = bomb.coding.as_ref();
    let coding = coding.map_or_else(String::new, |coding| {
        format!("Content-Encoding: {coding}\r\n")
    });
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\n{coding}\
         X-Telegram-Bot-Api-Secret-Token: {WEBHOOK_SECRET}\r\nContent-Length: {}\r\n\r\n",
        bomb.body.len()
    );
    front::status_of(stream, &head, &bomb.body).await
}
