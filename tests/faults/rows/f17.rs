//! F17: messages that harm whoever handles them: one panics, one eats memory until the process dies, one never gives its thread back.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::checker::Moment;
use crate::load::{Base, Load};
use crate::row::{Duplicates, LEASE_SETTING, Outcome, Row, Stage, spell};
use crate::site::Site;
use crate::updates;

pub(crate) const ROW: Row = Row {
    id: "F17",
    fault: "messages whose handler panics, eats memory until the process is killed, never yields",
    allowed: "lost 0; duplicates only with their record; dead after 5 attempts with the reason; others' p99 +10 % while the process \
              lives; one restart per attempt at most",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// What a neighbour's wait may grow by, whatever a tenth of it is: the stand-in's log counts milliseconds, on shared cores.
const NOISE: Duration = Duration::from_millis(15);
/// Updates in a second. A loop takes a whole processor, and the neighbours of a small machine must fit on the other one.
const RATE: u32 = 100;
/// Attempts that a message has.
const ATTEMPTS: i64 = 5;
/// How many messages panic.
const PANICS: i64 = 5;
const FIRST_CHAT: i64 = 910_000;
/// The longest that the attempts and the waits between them may take.
const DEATH_MAX: Duration = Duration::from_secs(90);
/// A handler's deadline, and the looks that the driver takes at one that is past it.
const STUCK_MAX: Duration = Duration::from_secs(120);

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    poison(stage).boxed_local()
}

async fn poison(stage: &mut Stage) -> Outcome {
    let mut site = stage.build_with(&[LEASE_SETTING]).await;
    stage.start(&mut site, "poison=return").await;
    let load = site.load(Base {
        rate: stage.base.rate.min(RATE),
        ..stage.base
    });
    // The first second warms up.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let calm = load.now();
    tokio::time::sleep(stage.lasting / 3).await;

    let panicking = load.now();
    for number in 0..PANICS {
        say(&site, FIRST_CHAT + number, "/poison-panic").await;
    }
    let panics = dead(&mut site, "panic", PANICS, DEATH_MAX).await;
    let crashing = load.now();
    say(&site, FIRST_CHAT + 100, "/poison-memory").await;
    let crashes = dead(&mut site, "interrupted", 1, DEATH_MAX).await;
    let recovered = load.now();
    let stuck = if stage.is_short {
        None
    } else {
        say(&site, FIRST_CHAT + 200, "/poison-loop").await;
        Some((dead(&mut site, "stuck", 1, STUCK_MAX).await, load.now()))
    };
    rest(stage, &load).await;

    let mut outcome = Outcome::of(site.evidence(load).await);
    judge_death(&mut outcome, "panic", &panics);
    outcome.check("a panic stops no process", panics.restarts == 0);
    neighbours(
        &mut outcome,
        "panics",
        (calm, panicking),
        (panicking, crashing),
    );
    judge_death(&mut outcome, "memory", &crashes);
    let words = format!("restarts {} for {ATTEMPTS} attempts", crashes.restarts);
    outcome.check(
        words,
        crashes.restarts <= usize::try_from(ATTEMPTS).unwrap(),
    );
    if let Some((death, end)) = &stuck {
        judge_death(&mut outcome, "loop", death);
        neighbours(&mut outcome, "a loop", (calm, panicking), (recovered, *end));
    }
    let chats = [FIRST_CHAT, FIRST_CHAT + 100];
    let mut told = 0;
    for chat in chats {
        let shown = site.shown(&format!("telegram/sent?chat_id={chat}")).await;
        told += usize::from(shown.as_array().is_some_and(|said| !said.is_empty()));
    }
    outcome.check(
        format!("people told of the end: {told} of {}", chats.len()),
        told == chats.len(),
    );
    outcome
}

async fn say(site: &Site, chat: i64, text: &str) {
    let status = site.post(&updates::text(chat, chat, text)).await;
    assert_eq!(status, Some(200), "{text}");
}

/// How messages of one sort ended.
struct Death {
    after: Option<Duration>,
    attempts: i64,
    restarts: usize,
}

/// Plays the supervisor until so many messages are dead letters for this reason.
async fn dead(site: &mut Site, reason: &str, count: i64, patience: Duration) -> Death {
    let (began, mut restarts) = (Instant::now(), 0);
    let query = format!(
        "select count(*) from dead_letters where error_kind = '{reason}' and kind = 'telegram.update'"
    );
    let attempts = format!(
        "select coalesce(max(attempts), 0)::bigint from dead_letters where error_kind = '{reason}'"
    );
    loop {
        for number in 0..site.workers.len() {
            if site.workers[number].has_ended() {
                restarts += 1;
                site.start_worker(number, "");
            }
        }
        let is_over = site.number(&query).await >= count;
        if is_over || began.elapsed() > patience {
            return Death {
                after: is_over.then(|| began.elapsed()),
                attempts: site.number(&attempts).await,
                restarts,
            };
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn judge_death(outcome: &mut Outcome, what: &str, death: &Death) {
    let words = format!(
        "{what}: dead with its reason after {} and {} attempts",
        spell(death.after),
        death.attempts
    );
    let tries_once = what == "loop";
    // What has no attempt left is buried by one more that runs nothing.
    let is_right =
        (ATTEMPTS..=ATTEMPTS + 1).contains(&death.attempts) || tries_once && death.attempts >= 1;
    outcome.check(words, death.after.is_some() && is_right);
}

fn neighbours(outcome: &mut Outcome, what: &str, calm: (Moment, Moment), harmed: (Moment, Moment)) {
    let Some(evidence) = outcome.evidence() else {
        return;
    };
    let before = evidence.ages(calm.0, calm.1, |_| true).quantile(0.99);
    let during = evidence.ages(harmed.0, harmed.1, |_| true).quantile(0.99);
    let words = format!(
        "others' p99 {} before, {} beside {what} (+10 %, or {})",
        spell(before),
        spell(during),
        spell(Some(NOISE))
    );
    let holds = before
        .zip(during)
        .is_some_and(|(before, during)| during <= before.mul_f64(1.1).max(before + NOISE));
    outcome.check(words, holds);
}

async fn rest(stage: &Stage, load: &Load) {
    let gone = Duration::from_micros(load.now());
    tokio::time::sleep(stage.lasting.saturating_sub(gone)).await;
}
