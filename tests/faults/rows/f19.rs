//! F19: JSON that is too large, too deep or odd. It is refused at once and costs no memory; what is taken, every parser of ours reads.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tokio::net::TcpStream;

use crate::checker::{Answer, Asked, Number};
use crate::front;
use crate::load::{MARK, Try, moment};
use crate::outfit::WEBHOOK_SECRET;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F19",
    fault: "10 MB; depth 65, 200, 10,000; a million keys; repeated keys; NaN; lone surrogates; 1e400",
    allowed: "400 or 413 in 50 ms, or an effect: never a 2xx that a later parser does not understand; memory +5 MB at most",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// How soon a refusal must be there.
const REFUSED_WITHIN: Duration = Duration::from_millis(50);
/// What the edge may grow by.
const GROWTH_MAX: u64 = 5 << 20;
/// Numbers of this row's own updates, and their chats, begin here.
const FIRST: Number = 700_000_000;
/// How often each body is posted at full length.
const ROUNDS: usize = 40;
const SHORT_ROUNDS: usize = 5;

/// What must become of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Must {
    /// 400 or 413.
    BeRefused,
    /// Either that, or be answered by the bot.
    BeUnderstood,
}

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    feed(stage).boxed_local()
}

async fn feed(stage: &mut Stage) -> Outcome {
    let site = stage.open().await;
    let load = site.load(stage.base);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let rounds = if stage.is_short { SHORT_ROUNDS } else { ROUNDS };
    // Each once to warm up: what is measured after that is what a body costs, and not what the first of all costs.
    let (mut number, mut posted) = (FIRST, Vec::new());
    for (_, _, make) in bodies() {
        number += 1;
        posted.push(post(&site, number, &make(number)).await);
    }
    let before = site.gateway.resident_bytes();
    let (mut most, mut wrong, mut slow) = (before, Vec::new(), Vec::new());
    for _ in 0..rounds {
        for (name, must, make) in bodies() {
            number += 1;
            let (asked, tried) = post(&site, number, &make(number)).await;
            most = most.max(site.gateway.resident_bytes());
            let is_refused = matches!(tried.status, Some(400 | 413));
            if must == Must::BeRefused && !is_refused {
                wrong.push(format!("{name}: {:?}", tried.status));
            }
            if is_refused && tried.took > REFUSED_WITHIN {
                slow.push(format!("{name}: {}", spell(Some(tried.took))));
            }
            posted.push((asked, tried));
        }
    }
    let refusals = posted
        .iter()
        .filter(|(_, tried)| matches!(tried.status, Some(400 | 413)))
        .count();
    let mut told = load.finish(Duration::from_secs(30)).await;
    let (asked, tries): (Vec<Asked>, Vec<Try>) = posted.into_iter().unzip();
    let total = tries.len();
    told.asked.extend(asked);
    told.tries.extend(tries);
    let evidence = site.evidence_of(told).await;

    let mut outcome = Outcome::of(evidence);
    outcome.fact(format!(
        "{total} bodies, {refusals} refused, the others answered by the bot"
    ));
    wrong.dedup();
    outcome.check(
        format!("taken, and should not be: {}", wrong.join(", ")),
        wrong.is_empty(),
    );
    let allowed = total / 100;
    outcome.check(
        format!(
            "{} refusals took longer than 50 ms ({allowed}) {}",
            slow.len(),
            slow.first().cloned().unwrap_or_default()
        ),
        slow.len() <= allowed,
    );
    let growth = most.saturating_sub(before);
    outcome.check(
        format!("the edge grew by {} KB (5 MB)", growth >> 10),
        growth < GROWTH_MAX,
    );
    outcome
}

type Body = (&'static str, Must, fn(Number) -> Vec<u8>);

/// All bodies, each made for a number of its own.
fn bodies() -> [Body; 14] {
    use Must::{BeRefused, BeUnderstood};
    [
        ("10 MB", BeRefused, |number| {
            with(number, &format!(r#","pad":"{}""#, "x".repeat(10 << 20)))
        }),
        ("depth 32", BeUnderstood, |number| with(number, &nested(32))),
        ("depth 65", BeRefused, |number| with(number, &nested(65))),
        ("depth 200", BeRefused, |number| with(number, &nested(200))),
        ("depth 10,000", BeRefused, |number| {
            with(number, &nested(10_000))
        }),
        ("a million keys", BeRefused, |number| {
            with(number, &keys(1_000_000))
        }),
        ("50,000 keys", BeUnderstood, |number| {
            with(number, &keys(50_000))
        }),
        ("update_id twice", BeRefused, |number| {
            with(number, r#","update_id":1"#)
        }),
        ("message twice", BeRefused, |number| {
            with(number, r#","message":{"chat":{"id":1}}"#)
        }),
        ("NaN", BeRefused, |number| with(number, r#","odd":NaN"#)),
        ("Infinity", BeRefused, |number| {
            with(number, r#","odd":-Infinity"#)
        }),
        ("1e400", BeRefused, |number| with(number, r#","odd":1e400"#)),
        ("a lone surrogate", BeRefused, |number| {
            with(number, r#","odd":"\ud800""#)
        }),
        ("a lone surrogate in the text", BeRefused, |number| {
            let text = String::from_utf8(with(number, "")).unwrap();
            text.replace(r#""text":""#, r#""text":"\udc00"#)
                .into_bytes()
        }),
    ]
}

/// An update of that number with something odd beside its message.
fn with(number: Number, odd: &str) -> Vec<u8> {
    let update = crate::updates::text(
        i64::try_from(number).unwrap(),
        i64::try_from(number).unwrap(),
        &format!("{MARK}{number}"),
    )
    .to_string();
    let open = update.strip_suffix('}').unwrap();
    format!("{open}{odd}}}").into_bytes()
}

/// A field that is so deep that the whole update is so deep.
fn nested(depth: usize) -> String {
    let inner = depth - 1;
    format!(r#","odd":{}{}"#, "[".repeat(inner), "]".repeat(inner))
}

fn keys(count: usize) -> String {
    (0..count).map(|key| format!(r#","k{key}":1"#)).collect()
}

/// Posts once. A refusal is an answer, and nothing is posted again.
async fn post(site: &Site, number: Number, body: &[u8]) -> (Asked, Try) {
    let began = Instant::now();
    let status = status_of(site.outfit.doors.http, body).await.ok();
    let tried = Try {
        due: moment(site.origin, began),
        took: began.elapsed(),
        status,
        says_when: false,
    };
    let is_accepted = matches!(status, Some(200..300));
    let at = tried.due + u64::try_from(tried.took.as_micros()).unwrap();
    let asked = Asked {
        number,
        key: i64::try_from(number).unwrap(),
        began: tried.due,
        answer: match status {
            Some(_) if is_accepted => Answer::Accepted,
            Some(_) => Answer::Refused,
            None => Answer::Unknown,
        },
        accepted: is_accepted.then_some(at),
    };
    (asked, tried)
}

async fn status_of(port: u16, body: &[u8]) -> std::io::Result<u16> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let head = format!(
        "POST /telegram/ops HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\n\
         X-Telegram-Bot-Api-Secret-Token: {WEBHOOK_SECRET}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    front::status_of(stream, &head, body).await
}
