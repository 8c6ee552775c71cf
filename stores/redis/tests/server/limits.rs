//! Limits that several processes share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sallyport_redis::testing::{open, shared, shared_settings};
use sallyport_redis::{Algorithm, LimitAsk, Redis};
use tokio_util::task::TaskTracker;

const ALGORITHMS: [Algorithm; 3] = [
    Algorithm::TokenBucket,
    Algorithm::SlidingWindow,
    Algorithm::FixedWindow,
];

fn bucket(name: &str, max: u32, token_every: Duration) -> LimitAsk<'_> {
    LimitAsk {
        name,
        algorithm: Algorithm::TokenBucket,
        window: token_every * max,
        max,
        tokens: 1,
    }
}

async fn takes(redis: &Redis, ask: LimitAsk<'_>) -> bool {
    redis.take(&[ask]).await.unwrap().allowed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_takers_in_three_processes_get_exactly_the_quota() {
    for algorithm in ALGORITHMS {
        let settings = shared_settings();
        let clients = [(); 3].map(|()| open(&settings));
        let taken = Arc::new(AtomicU32::new(0));
        let tasks = TaskTracker::new();
        // So slow that nothing comes back during the test.
        let ask = LimitAsk {
            algorithm,
            ..bucket("crowd", 100, Duration::from_secs(60))
        };

        for taker in 0..1_000 {
            let (redis, taken) = (clients[taker % 3].clone(), Arc::clone(&taken));
            tasks.spawn(async move {
                if takes(&redis, ask).await {
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        tasks.close();
        tasks.wait().await;

        assert_eq!(taken.load(Ordering::Relaxed), 100, "{algorithm:?}");
    }
}

#[tokio::test]
async fn tokens_come_back_by_the_time_of_redis() {
    let redis = shared();
    let token_every = Duration::from_millis(100);
    let ask = bucket("slow", 2, token_every);
    let began = Instant::now();
    assert!(takes(&redis, ask).await && takes(&redis, ask).await);

    let mut taken = 2;
    while taken < 7 {
        taken += u32::from(takes(&redis, ask).await);
    }

    // Two at once, and the five others a tenth of a second apart.
    assert!(began.elapsed() >= token_every * 5 - Duration::from_millis(2));
    assert!(began.elapsed() < token_every * 5 + Duration::from_secs(2));
}

#[tokio::test]
async fn several_buckets_are_taken_from_together_or_not_at_all() {
    let redis = shared();
    let (wide, narrow) = (
        bucket("wide", 10, Duration::from_secs(60)),
        bucket("narrow", 1, Duration::from_secs(60)),
    );

    let first = redis.take(&[wide, narrow]).await.unwrap();
    let second = redis.take(&[wide, narrow]).await.unwrap();

    assert!(first.allowed && !second.allowed);
    assert_eq!(first.limits[0].remaining, 9);
    assert_eq!(second.limits[0].remaining, 9);
    assert_eq!(second.limits[0].enough_after, Duration::ZERO);
    assert!(second.limits[1].enough_after > Duration::from_secs(58));
}

#[tokio::test]
async fn more_than_one_token_can_be_taken_at_once_and_none_is_only_a_look() {
    let redis = shared();
    for algorithm in ALGORITHMS {
        let ask = |tokens| LimitAsk {
            tokens,
            algorithm,
            ..bucket("dear", 10, Duration::from_secs(60))
        };

        assert_eq!(
            redis.take(&[ask(0)]).await.unwrap().limits[0].full_after,
            Duration::ZERO
        );
        assert!(takes(&redis, ask(7)).await);
        assert!(!takes(&redis, ask(4)).await);
        let looked = redis.take(&[ask(0)]).await.unwrap().limits[0];
        assert_eq!(looked.remaining, 3, "{algorithm:?}");
        assert!(looked.full_after > Duration::from_secs(400), "{looked:?}");
        assert!(takes(&redis, ask(3)).await);
    }
}

/// Two at once, and nothing until the window says so: no window has seen more than the quota, and nobody waited longer than a slice.
#[tokio::test]
async fn windows_give_back_by_the_time_of_redis() {
    const WINDOW: Duration = Duration::from_millis(640);
    let redis = shared();
    for algorithm in [Algorithm::SlidingWindow, Algorithm::FixedWindow] {
        let ask = LimitAsk {
            name: "turn",
            algorithm,
            window: WINDOW,
            max: 2,
            tokens: 1,
        };
        let began = Instant::now();
        assert!(takes(&redis, ask).await && takes(&redis, ask).await);

        let refused = redis.take(&[ask]).await.unwrap();
        assert!(!refused.allowed, "{algorithm:?}");
        let told = began.elapsed() + refused.limits[0].enough_after;
        assert!(
            told < WINDOW + WINDOW / 64 + Duration::from_millis(100),
            "{told:?}"
        );
        while !takes(&redis, ask).await {}

        let waited = began.elapsed();
        assert!(
            waited >= WINDOW - Duration::from_millis(2),
            "{algorithm:?}: {waited:?}"
        );
        assert!(
            waited < WINDOW + Duration::from_secs(2),
            "{algorithm:?}: {waited:?}"
        );
        // The second was perhaps taken a sixty-fourth of the window later, and comes back as much later.
        let first = Instant::now();
        while !takes(&redis, ask).await {
            assert!(first.elapsed() < WINDOW / 4, "{algorithm:?}");
        }
        assert!(!takes(&redis, ask).await, "{algorithm:?}");
    }
}
