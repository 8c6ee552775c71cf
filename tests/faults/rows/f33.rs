//! F33: one tenant of two sends a hundred times as much as before. The other one's messages do not get older by it.

use std::path::Path;
use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::checker::{Moment, Number};
use crate::load::{Base, Load};
use crate::outfit::OWN_SERVER;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F33",
    fault: "two bots of two tenants; one sends 100 times as much as the other",
    allowed: "lost 0; duplicates only with their record; the other's p99 age +20 %",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// Numbers and chats of the loud one begin behind this.
const LOUD: Number = 1_000_000_000;
const TIMES: u32 = 100;
/// Updates of the quiet one in a second; a hundred times as many must be less than a program without optimisation can take.
const SHORT_QUIET_RATE: u32 = 1;
const QUIET_RATE: u32 = 2;
/// What an age may grow by, whatever a fifth of it is: the log counts milliseconds, and load and house share two cores.
const NOISE: Duration = Duration::from_millis(15);

const GATEWAY: &str = "
routes:
  - path: /telegram/{bot}
    accept:
      source: telegram
      bots:
        - name: ops
          tenant: quiet
          secrets: [\"${TELEGRAM_OPS_WEBHOOK_SECRET}\"]
        - name: loud
          tenant: loud
          secrets: [\"${TELEGRAM_OPS_WEBHOOK_SECRET}\"]
  - path: /health/ready
    health: ready
";

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    shout(stage).boxed_local()
}

async fn shout(stage: &mut Stage) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path());
    let path = folder.path().to_str().unwrap();
    let settings = [OWN_SERVER[0], OWN_SERVER[1], ("SALLYPORT_CONFIG", path)];
    let mut site = stage.build_with(&settings).await;
    stage.start(&mut site, "").await;
    let quiet_rate = if stage.is_short {
        SHORT_QUIET_RATE
    } else {
        QUIET_RATE
    };
    let quiet = site.load(Base {
        rate: quiet_rate,
        ..stage.base
    });
    tokio::time::sleep(Duration::from_secs(2)).await;

    let calm = quiet.now();
    let murmur = loud(
        &site,
        Base {
            rate: quiet_rate,
            ..stage.base
        },
        LOUD,
    );
    tokio::time::sleep(stage.lasting / 2).await;
    let mut told = murmur.finish(Duration::from_secs(10)).await;
    let noisy = quiet.now();
    let shouting = loud(
        &site,
        Base {
            rate: quiet_rate * TIMES,
            ..stage.base
        },
        LOUD * 2,
    );
    tokio::time::sleep(stage.lasting / 2).await;
    let end = quiet.now();
    let shouted = shouting.finish(Duration::from_secs(30)).await;
    let quiet = quiet.finish(Duration::from_secs(30)).await;
    for part in [shouted, quiet] {
        told.asked.extend(part.asked);
        told.tries.extend(part.tries);
    }

    let mut outcome = Outcome::of(site.evidence_of(told).await);
    outcome.fact(format!("{quiet_rate}/s beside {}/s", quiet_rate * TIMES));
    check_ages(&mut outcome, calm, noisy, end);
    outcome
}

/// Beside the noise the other's messages are hardly older than before it.
fn check_ages(outcome: &mut Outcome, calm: Moment, noisy: Moment, end: Moment) {
    let Some(evidence) = outcome.evidence() else {
        return;
    };
    let is_quiet = |number: Number| number < LOUD;
    let before = evidence.ages(calm, noisy, is_quiet);
    let during = evidence.ages(noisy, end, is_quiet);
    let louds = evidence.ages(noisy, end, |number| !is_quiet(number));
    let ages = [
        (&before, 0.5),
        (&before, 0.99),
        (&during, 0.5),
        (&during, 0.99),
    ]
    .map(|(times, share)| times.quantile(share));
    let words = format!(
        "the other's age: p50 {}, p99 {} before; p50 {}, p99 {} beside the noise (+20 %, or {})",
        spell(ages[0]),
        spell(ages[1]),
        spell(ages[2]),
        spell(ages[3]),
        spell(Some(NOISE))
    );
    let holds = ages[1]
        .zip(ages[3])
        .is_some_and(|(before, during)| during <= before.mul_f64(1.2).max(before + NOISE));
    outcome.fact(format!(
        "the loud one's p99 age was {}",
        spell(louds.quantile(0.99))
    ));
    outcome.check(words, holds);
}

/// Two bots of two tenants; everything else as it is shipped.
fn configure(folder: &Path) {
    std::fs::write(folder.join("gateway.yaml"), GATEWAY).unwrap();
    let bot = |name: &str, tenant: &str, token: &str| {
        format!(
            "    - name: {name}\n      tenant: {tenant}\n      app: hub\n      token: \"{token}\"\n      telegram: {{ base_url: \"${{TELEGRAM_OPS_API}}\" }}\n      \
             receive: off\n      newcomers: operator\n      pacing: own_server\n"
        )
    };
    let bots = bot("ops", "quiet", "1000001:playground-ops")
        + &bot("loud", "loud", "1000002:playground-loud");
    std::fs::write(folder.join("apps.yaml"), format!("chat:\n  bots:\n{bots}")).unwrap();
}

fn loud(site: &Site, base: Base, before: Number) -> Load {
    let url = format!("http://127.0.0.1:{}/telegram/loud", site.outfit.doors.http);
    Load::start_at(url, base, before, site.origin)
}
