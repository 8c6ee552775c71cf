//! Two takers that share one limit through Redis, as two workers share what a bot may send in bulk. They take all they get, and what
//! they were given is counted while Redis is there, away and back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sallyport_redis::{Kin, Redis, RedisUrl, Settings};
use sallyport_security::{FleetLimiter, LimitKey, Policy, Quota, Scope, WhenAway};
use sallyport_telemetry::{Health, Identity};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What both may take together in a second.
const PER_SECOND: u32 = 50;
/// How many share it.
const TAKERS: usize = 2;
/// How often each of them asks: much more often than it may take.
const ASK_EVERY: Duration = Duration::from_millis(5);
/// They have to see each other before their shares are known.
const MEET: Duration = Duration::from_secs(3);

/// The takers at work.
pub(crate) struct Limits {
    taken: Arc<Mutex<Vec<Instant>>>,
    began: Instant,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What was taken in a second at most, in the three times.
pub(crate) struct Taken {
    before: usize,
    away: usize,
    after: usize,
    while_away: usize,
    was_away: Duration,
}

impl Limits {
    /// Begins to take.
    pub(crate) async fn start(url: &str) -> Self {
        let limits = Self {
            taken: Arc::default(),
            began: Instant::now() + MEET,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        for number in 0..TAKERS {
            let settings = Settings {
                key_prefix: "faults-limits".to_owned(),
                ..Settings::at(RedisUrl::new(url))
            };
            let redis = Redis::open(&settings).unwrap().unwrap();
            let kin = Kin {
                kind: "workers",
                instance: format!("taker-{number}"),
            };
            let health = Health::new(Identity::new("faults", "0", "test"));
            let component = health.component("redis", false);
            let watching = redis.clone().watch(kin, component, limits.stop.clone());
            limits.tasks.spawn(watching);
            let taking = take(redis, Arc::clone(&limits.taken), limits.stop.clone());
            limits.tasks.spawn(taking);
        }
        tokio::time::sleep(MEET).await;
        limits
    }

    /// Ends them, and counts.
    pub(crate) async fn finish(self, killed: Instant, back: Instant) -> Taken {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let taken = self.taken.lock();
        let between = |from: Instant, to: Instant| -> Vec<Instant> {
            let within = taken.iter().filter(|at| (&from..&to).contains(at));
            within.copied().collect()
        };
        let away = between(killed, back);
        Taken {
            before: most_in_a_second(&between(self.began, killed)),
            while_away: away.len(),
            was_away: back - killed,
            away: most_in_a_second(&away),
            after: most_in_a_second(&between(back, Instant::now())),
        }
    }
}

impl Taken {
    /// A full bucket may be taken at once and then its refill: twice the limit in the worst second, once over a longer time. Each taker's
    /// share is rounded, hence one more for each.
    pub(crate) fn hold(&self) -> bool {
        let most = 2 * PER_SECOND as usize + TAKERS;
        let while_away = f64::from(PER_SECOND) * (self.was_away.as_secs_f64() + 1.0);
        let is_kept = self.before <= most && self.away <= most && self.after <= most;
        is_kept && self.while_away > 0 && self.while_away as f64 <= while_away + TAKERS as f64
    }

    pub(crate) fn words(&self) -> String {
        let Self {
            before,
            away,
            after,
            while_away,
            was_away,
        } = self;
        format!(
            "a shared limit of {PER_SECOND}/s gave {before} with Redis, {away} without ({while_away} in {} s), {after} after it in any second",
            was_away.as_secs()
        )
    }
}

async fn take(redis: Redis, taken: Arc<Mutex<Vec<Instant>>>, stop: CancellationToken) {
    let policy = Policy {
        quota: Quota::try_new(PER_SECOND, Duration::from_secs(1)).unwrap(),
        scope: Scope::Shared,
        when_away: WhenAway::Share,
    };
    let limiter = FleetLimiter::new("faults", policy, Some(redis), 10, Instant::now());
    let asking = async {
        loop {
            let ruling = limiter.take(&LimitKey::ALL, Instant::now()).await;
            if ruling.decision.allowed {
                taken.lock().push(Instant::now());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    stop.run_until_cancelled(asking).await;
}

fn most_in_a_second(taken: &[Instant]) -> usize {
    let counts = taken.iter().enumerate().map(|(place, from)| {
        let until = *from + Duration::from_secs(1);
        taken[place..].iter().take_while(|at| **at < until).count()
    });
    counts.max().unwrap_or(0)
}
