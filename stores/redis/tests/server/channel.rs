//! Words that reach whoever listens.

use std::time::Duration;

use sallyport_redis::testing::{OwnServer, open, shared};

#[tokio::test]
async fn what_is_said_is_heard_and_counted() {
    let redis = shared();
    assert_eq!(redis.say("bell", "nobody").await.unwrap(), 0);
    let mut listener = redis.listen("bell").await.unwrap();

    let heard_by = redis.say("bell", "hello").await.unwrap();

    assert_eq!(
        (heard_by, listener.next().await.unwrap().as_str()),
        (1, "hello")
    );
}

#[tokio::test]
async fn a_listener_notices_that_the_server_is_gone() {
    let mut server = OwnServer::start();
    let mut listener = open(&server.settings()).listen("bell").await.unwrap();

    server.kill();
    let heard = tokio::time::timeout(Duration::from_secs(5), listener.next()).await;

    assert!(heard.expect("it waited").is_err());
}
