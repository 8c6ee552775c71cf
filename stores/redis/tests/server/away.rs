//! A Redis that dies, hangs and comes back empty.

use std::time::{Duration, Instant};

use sallyport_redis::testing::{OwnServer, open};
use sallyport_redis::{Algorithm, Kin, LimitAsk, Redis, RedisError, RedisUrl, Settings};
use sallyport_telemetry::health::State;
use sallyport_telemetry::{Health, Identity};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::wait_until;

const PATIENCE: Duration = Duration::from_secs(15);
const ASK: LimitAsk<'static> = LimitAsk {
    name: "any",
    algorithm: Algorithm::TokenBucket,
    window: Duration::from_secs(1),
    max: 1_000,
    tokens: 1,
};

#[tokio::test]
async fn without_an_address_there_is_no_redis() {
    assert!(Redis::open(&Settings::default()).unwrap().is_none());
}

#[tokio::test]
async fn an_unreadable_address_is_not_repeated() {
    let settings = Settings::at(RedisUrl::new("postgres://sally:hunter2@cache"));

    let error = Redis::open(&settings).unwrap_err();

    assert!(!format!("{error:?} {error}").contains("hunter2"));
}

#[tokio::test]
async fn a_killed_redis_costs_nothing_after_the_first_calls_and_is_used_again_when_it_is_back() {
    let mut server = OwnServer::start();
    let redis = open(&server.settings());
    redis.take(&[ASK]).await.unwrap();

    server.kill();
    wait_until("being known as away", PATIENCE, async || {
        redis.take(&[ASK]).await.unwrap_err();
        redis.is_away()
    })
    .await;
    let asked = Instant::now();
    let mut refused_at_once = 0;
    for _ in 0..1_000 {
        refused_at_once += u32::from(matches!(redis.take(&[ASK]).await, Err(RedisError::Away)));
    }
    let cost = asked.elapsed();
    server.restart();

    assert!(refused_at_once >= 990, "{refused_at_once} of 1000");
    assert!(cost < Duration::from_secs(2), "{cost:?}");
    wait_until("being used again", PATIENCE, async || {
        redis.take(&[ASK]).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_black_hole_holds_nobody_longer_than_the_deadline() {
    let hole = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", hole.local_addr().unwrap());
    let redis = open(&Settings {
        quick_call_ms: 50,
        ..Settings::at(RedisUrl::new(url))
    });

    let asked = Instant::now();
    let error = redis.take(&[ASK]).await.unwrap_err();

    assert!(matches!(error, RedisError::Late { .. }), "{error:?}");
    assert!(
        asked.elapsed() < Duration::from_millis(800),
        "{:?}",
        asked.elapsed()
    );
}

#[tokio::test]
async fn who_watches_it_sees_it_go_and_come_without_anybody_asking() {
    let mut server = OwnServer::start();
    let redis = open(&server.settings());
    let health = Health::new(Identity::new("0", "0", "test"));
    let component = health.component("redis", false);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let kin = Kin {
        kind: "workers",
        instance: "one".to_owned(),
    };
    tasks.spawn(redis.clone().watch(kin, component.clone(), stop.clone()));

    wait_until("up", PATIENCE, async || component.state() == State::Up).await;
    server.kill();
    wait_until("down", PATIENCE, async || {
        component.state() == State::Down && redis.is_away()
    })
    .await;
    assert!(health.ready());
    server.restart();
    wait_until("up again", PATIENCE, async || {
        component.state() == State::Up && !redis.is_away()
    })
    .await;

    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

#[tokio::test]
async fn processes_of_a_kind_count_each_other() {
    let server = OwnServer::start();
    let health = Health::new(Identity::new("0", "0", "test"));
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let processes = ["one", "two", "three"].map(|instance| {
        let redis = open(&server.settings());
        let kin = Kin {
            kind: "edge",
            instance: instance.to_owned(),
        };
        tasks.spawn(
            redis
                .clone()
                .watch(kin, health.component("redis", false), stop.clone()),
        );
        redis
    });

    wait_until("everybody sees three", PATIENCE, async || {
        processes.iter().all(|redis| redis.instances() == 3)
    })
    .await;

    stop.cancel();
    tasks.close();
    tasks.wait().await;
}
