//! A limit of a fleet, with a real Redis that is killed while it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sallyport_redis::testing::{OwnServer, open, shared_settings};
use sallyport_redis::{Algorithm, Kin};
use sallyport_telemetry::{Health, Identity};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn policy(burst: u32, window: Duration, when_away: WhenAway) -> Policy {
    Policy {
        quota: Quota::try_new(burst, window).unwrap(),
        scope: Scope::Shared,
        when_away,
    }
}

fn limiter(policy: Policy, redis: Option<Redis>) -> FleetLimiter {
    FleetLimiter::new("test", policy, redis, 100, Instant::now())
}

/// How many of so many asks are granted, and by whom the last one was decided.
async fn granted(limiter: &FleetLimiter, asks: usize) -> (usize, DecidedBy) {
    let mut granted = 0;
    let mut by = DecidedBy::Process;
    for _ in 0..asks {
        let ruling = limiter.take(&LimitKey::from("bot"), Instant::now()).await;
        granted += usize::from(ruling.decision.allowed);
        by = ruling.by;
    }
    (granted, by)
}

#[tokio::test]
async fn without_redis_a_shared_limit_is_the_processs_own() {
    let limiter = limiter(policy(5, HOUR, WhenAway::Closed), None);

    assert_eq!(granted(&limiter, 20).await, (5, DecidedBy::Process));
}

#[tokio::test]
async fn a_local_limit_asks_nobody() {
    let settings = shared_settings();
    let local = Policy {
        scope: Scope::Local,
        ..policy(5, HOUR, WhenAway::Share)
    };
    let processes = [(); 2].map(|()| limiter(local, Some(open(&settings))));

    for process in &processes {
        assert_eq!(granted(process, 20).await, (5, DecidedBy::Process));
    }
}

#[tokio::test]
async fn two_processes_share_one_limit_however_it_is_counted() {
    for algorithm in [
        Algorithm::TokenBucket,
        Algorithm::SlidingWindow,
        Algorithm::FixedWindow,
    ] {
        let settings = shared_settings();
        let mut policy = policy(10, HOUR, WhenAway::Share);
        policy.quota = policy.quota.counted_by(algorithm);
        let processes = [(); 2].map(|()| limiter(policy, Some(open(&settings))));

        let (first, by) = granted(&processes[0], 7).await;
        let (second, _) = granted(&processes[1], 7).await;

        assert_eq!((first, second, by), (7, 3, DecidedBy::Fleet));
    }
}

#[tokio::test]
async fn while_redis_is_away_the_policy_says_what_becomes_of_it() {
    let mut server = OwnServer::start();
    let settings = server.settings();
    server.kill();
    let when = |when_away| limiter(policy(5, HOUR, when_away), Some(open(&settings)));

    assert_eq!(
        granted(&when(WhenAway::Open), 20).await,
        (20, DecidedBy::Policy)
    );
    assert_eq!(
        granted(&when(WhenAway::Closed), 20).await,
        (0, DecidedBy::Policy)
    );
    assert_eq!(
        granted(&when(WhenAway::Share), 20).await,
        (5, DecidedBy::Share)
    );
}

#[tokio::test]
async fn a_share_goes_on_from_what_was_granted_before() {
    let mut server = OwnServer::start();
    let limiter = limiter(
        policy(10, HOUR, WhenAway::Share),
        Some(open(&server.settings())),
    );
    assert_eq!(granted(&limiter, 8).await, (8, DecidedBy::Fleet));

    server.kill();

    assert_eq!(granted(&limiter, 20).await, (2, DecidedBy::Share));
}

/// Three processes ask as fast as they can while their Redis is killed, restarted empty, and emptied once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_is_answered_and_shares_hold_while_redis_dies() {
    const BURST: usize = 30;
    const WINDOW: Duration = Duration::from_secs(1);
    let mut server = OwnServer::start();
    let (tasks, stop, is_dead) = (
        TaskTracker::new(),
        CancellationToken::new(),
        Arc::new(AtomicBool::new(false)),
    );

    let asking = three_that_know_each_other(&server, &tasks, &stop)
        .await
        .map(|redis| {
            let limiter = limiter(policy(30, WINDOW, WhenAway::Share), Some(redis));
            let (stop, is_dead) = (stop.clone(), Arc::clone(&is_dead));
            tasks.spawn(async move {
                let mut granted_while_dead: Vec<Instant> = Vec::new();
                while !stop.is_cancelled() {
                    let ruling = limiter.take(&LimitKey::from("bot"), Instant::now()).await;
                    if ruling.decision.allowed && is_dead.load(Ordering::SeqCst) {
                        granted_while_dead.push(Instant::now());
                    }
                    tokio::task::yield_now().await;
                }
                granted_while_dead
            })
        });
    server.kill();
    is_dead.store(true, Ordering::SeqCst);
    // It stays dead for so long, while everybody asks on.
    drop(tokio::time::timeout(WINDOW * 4, std::future::pending::<()>()).await);
    is_dead.store(false, Ordering::SeqCst);
    server.restart();
    stop.cancel();
    tasks.close();
    tasks.wait().await;

    for asker in asking {
        let granted = asker.await.unwrap();
        // A window that begins with a full bucket sees a burst and a refill: twice a third of the limit.
        assert!(
            most_within(WINDOW, &granted) <= 2 * BURST / 3 + 1,
            "{}",
            granted.len()
        );
        // Refilled by a third of the limit per second, for four seconds.
        assert!(
            (BURST..=5 * BURST / 3 + 1).contains(&granted.len()),
            "{}",
            granted.len()
        );
    }
}

/// Three processes, each of which has seen the other two.
async fn three_that_know_each_other(
    server: &OwnServer,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> [Redis; 3] {
    let health = Health::new(Identity::new("0", "0", "test"));
    let processes = ["one", "two", "three"].map(|instance| {
        let redis = open(&server.settings());
        let kin = Kin {
            kind: "workers",
            instance: instance.to_owned(),
        };
        let component = health.component("redis", false);
        tasks.spawn(redis.clone().watch(kin, component, stop.clone()));
        redis
    });
    while processes.iter().any(|redis| redis.instances() < 3) {
        tokio::task::yield_now().await;
    }
    processes
}

/// The most moments that lie in one window of this length.
fn most_within(window: Duration, moments: &[Instant]) -> usize {
    let most = moments.iter().enumerate().map(|(at, first)| {
        moments[at..]
            .iter()
            .take_while(|moment| **moment - *first < window)
            .count()
    });
    most.max().unwrap_or(0)
}

/// How many of so many requests count against both, one after the other.
async fn granted_by_both(limiters: [&FleetLimiter; 2], asks: usize) -> usize {
    let asks_each = limiters.map(|limiter| (limiter, LimitKey::ALL));
    let mut granted = 0;
    for _ in 0..asks {
        let rulings = FleetLimiter::take_all(&asks_each, Instant::now()).await;
        assert_eq!(rulings.len(), 2);
        granted += usize::from(rulings.iter().all(|ruling| ruling.decision.allowed));
    }
    granted
}

#[tokio::test]
async fn what_one_limit_refuses_counts_against_none() {
    for (first, second) in [
        (Scope::Local, Scope::Local),
        (Scope::Local, Scope::Shared),
        (Scope::Shared, Scope::Shared),
    ] {
        let settings = shared_settings();
        let named = |name, burst, scope| {
            let policy = Policy {
                scope,
                ..policy(burst, HOUR, WhenAway::Share)
            };
            FleetLimiter::new(name, policy, Some(open(&settings)), 100, Instant::now())
        };
        let wide = named("wide", 10, first);
        let narrow = named("narrow", 3, second);

        assert_eq!(granted_by_both([&wide, &narrow], 20).await, 3);

        // Three of ten are used, and not twenty.
        assert_eq!(
            granted_by_both([&wide, &named("other", 100, first)], 20).await,
            7
        );
    }
}

#[tokio::test]
async fn limits_that_are_asked_together_go_their_own_ways_without_redis() {
    let mut server = OwnServer::start();
    let settings = server.settings();
    server.kill();
    let when = |name, when_away| {
        let redis = Some(open(&settings));
        FleetLimiter::new(name, policy(5, HOUR, when_away), redis, 100, Instant::now())
    };
    let (share, open, closed) = (
        when("share", WhenAway::Share),
        when("open", WhenAway::Open),
        when("closed", WhenAway::Closed),
    );

    assert_eq!(granted_by_both([&share, &closed], 20).await, 0);
    assert_eq!(granted_by_both([&share, &open], 20).await, 5);
}
