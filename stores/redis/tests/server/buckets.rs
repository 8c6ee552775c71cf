//! Buckets that several processes share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sallyport_redis::testing::{open, shared, shared_settings};
use sallyport_redis::{BucketAsk, Redis};
use tokio_util::task::TaskTracker;

fn bucket(name: &str, tokens_max: u32, token_every: Duration) -> BucketAsk<'_> {
    BucketAsk {
        name,
        token_every,
        tokens_max,
        tokens: 1,
    }
}

async fn takes(redis: &Redis, ask: BucketAsk<'_>) -> bool {
    redis.take(&[ask]).await.unwrap().allowed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_takers_in_three_processes_get_exactly_what_the_bucket_holds() {
    let settings = shared_settings();
    let clients = [(); 3].map(|()| open(&settings));
    let taken = Arc::new(AtomicU32::new(0));
    let tasks = TaskTracker::new();

    for taker in 0..1_000 {
        let (redis, taken) = (clients[taker % 3].clone(), Arc::clone(&taken));
        tasks.spawn(async move {
            // So slow that nothing comes back during the test.
            if takes(&redis, bucket("crowd", 100, Duration::from_secs(60))).await {
                taken.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tasks.close();
    tasks.wait().await;

    assert_eq!(taken.load(Ordering::Relaxed), 100);
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
    assert_eq!(first.buckets[0].remaining, 9);
    assert_eq!(second.buckets[0].remaining, 9);
    assert_eq!(second.buckets[0].enough_after, Duration::ZERO);
    assert!(second.buckets[1].enough_after > Duration::from_secs(58));
}

#[tokio::test]
async fn more_than_one_token_can_be_taken_at_once_and_none_is_only_a_look() {
    let redis = shared();
    let ask = |tokens| BucketAsk {
        tokens,
        ..bucket("dear", 10, Duration::from_secs(60))
    };

    assert!(takes(&redis, ask(7)).await);
    assert!(!takes(&redis, ask(4)).await);
    assert_eq!(redis.take(&[ask(0)]).await.unwrap().buckets[0].remaining, 3);
    assert!(takes(&redis, ask(3)).await);
}
