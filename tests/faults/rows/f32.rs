//! F32: the provider is away, first silent, then with errors, and comes back. Nobody rushes at it, and nobody waits much longer.

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::json;

use crate::checker::Moment;
use crate::load::{Base, Load};
use crate::proxy::Way;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F32",
    fault: "the provider refuses connections, then answers 503, for 10 min; then it is back",
    allowed: "lost 0; duplicates only with their record; first 10 s ≤ 2× the steady rate; steady again in 60 s; the back-off goes on \
              through another error",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// Telegram's own pace: it is what an outage must not be answered against.
const SETTINGS: [(&str, &str); 2] = [
    ("TELEGRAM_OPS_PACING", "cloud"),
    ("SALLYPORT_PLAYGROUND_LIMITS", "cloud"),
];
const OUTAGE: Duration = Duration::from_secs(600);
const SHORT_OUTAGE: Duration = Duration::from_secs(24);
const CALM: Duration = Duration::from_secs(8);
const RAMP_MAX: Duration = Duration::from_secs(60);
const FIRST: usize = 10;
/// Updates in a second, below Telegram's own thirty: what piles up in ten minutes has to be said beside them.
const RATE: u32 = 20;
/// The times of calls of a head that failed so often, with full jitter: in the second half of an outage a head calls this
/// seldom on average (every 30 s, for five minutes, and some to spare), or its back-off was forgotten at the other error.
const CALLS_PER_HEAD_MAX: f64 = 15.0;

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    hold_back(stage).boxed_local()
}

async fn hold_back(stage: &mut Stage) -> Outcome {
    let mut site = stage.build_with(&SETTINGS).await;
    stage.start(&mut site, "").await;
    let rate = stage.base.rate.min(RATE);
    // Every chat is written in twice in five seconds at most, of which Telegram takes one a second.
    let base = Base {
        rate,
        chats: i64::from(rate) * 5 / 2,
    };
    let outage = stage.either(OUTAGE, SHORT_OUTAGE);
    let load = site.load(base);
    tokio::time::sleep(CALM).await;

    site.provider.switch(Way::Refuse);
    tokio::time::sleep(outage / 2).await;
    site.control(
        "faults",
        &json!({"target": "telegram", "method": "sendMessage", "status": 503}),
    )
    .await;
    site.provider.switch(Way::Pass);
    let called = calls(&site).await;
    tokio::time::sleep(outage / 2).await;
    let heads = calls(&site).await - called;
    site.mend().await;
    let back = load.now();
    // As long as it may take, and as long again to see that it stays so.
    tokio::time::sleep(RAMP_MAX + CALM).await;
    let gone = load.now();
    wait(stage, &load).await;

    let mut outcome = Outcome::of(site.evidence(load).await);
    outcome.fact(format!("away for {}", spell(Some(outage))));
    check_ramp(&mut outcome, rate as usize, back, gone);
    let per_head = heads as f64 / base.chats as f64;
    let mean = format!(
        "{per_head:.1} calls of each chat's head during the second error ({CALLS_PER_HEAD_MAX})"
    );
    outcome.check(mean, per_head <= CALLS_PER_HEAD_MAX);
    outcome
}

/// After the provider came `back` the sends neither storm it nor stay away.
fn check_ramp(outcome: &mut Outcome, steady: usize, back: Moment, gone: Moment) {
    let Some(evidence) = outcome.evidence() else {
        return;
    };
    let rates = evidence.rates(back, RAMP_MAX.as_secs() as usize);
    let first: usize = rates.iter().take(FIRST).sum();
    let caught_up = evidence
        .caught_up(back)
        .map(|at| Duration::from_micros(at.saturating_sub(back)));
    let ramp = rates
        .windows(3)
        .position(|three| three.iter().sum::<usize>() >= steady * 3);
    let ages = evidence
        .ages(gone.saturating_sub(5_000_000), gone, |_| true)
        .quantile(0.5);
    outcome.fact(format!("sends a second after it: {rates:?}"));
    outcome.fact(format!(
        "what was accepted before its return was said {} after it",
        spell(caught_up)
    ));
    outcome.fact(format!(
        "half of what is written a minute later is answered after {}",
        spell(ages)
    ));
    outcome.check(
        format!(
            "first 10 s: {first} sends ({} at 2× the steady rate)",
            steady * FIRST * 2
        ),
        first <= steady * FIRST * 2,
    );
    outcome.check(
        format!("steady again after {ramp:?} s (60 s)"),
        ramp.is_some(),
    );
}

/// How many sends the stand-in was asked for so far.
async fn calls(site: &Site) -> u64 {
    let counts = site.shown("telegram/counts").await;
    let of_method = counts
        .pointer("/sendMessage")
        .or_else(|| counts.pointer("/methods/sendMessage"));
    let Some(serde_json::Value::Object(by_status)) = of_method else {
        return 0;
    };
    by_status
        .values()
        .filter_map(serde_json::Value::as_u64)
        .sum()
}

async fn wait(stage: &Stage, load: &Load) {
    let gone = Duration::from_micros(load.now());
    tokio::time::sleep(stage.lasting.saturating_sub(gone)).await;
}
