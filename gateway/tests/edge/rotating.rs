//! A hook's secret is changed while requests come, and not one of them is refused for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::door::{Client, Door, checked, settings};
use crate::senders::{Sender, sender};

const OLD: &str = "the-secret-of-yesterday";
const NEW: &str = "the-secret-of-tomorrow";
const SENDERS: u32 = 4;

fn with_secrets(secrets: &[&str]) -> Value {
    let mut settings = settings();
    settings["routes"][0] = json!({
        "path": "/hooks/{name}",
        "accept": {"hooks": [{"name": "github", "source": "github", "secrets": secrets}]},
    });
    settings
}

fn github(secret: &'static str) -> Sender {
    sender("github").with_secret(secret)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_rotated_by_reloads_under_requests() {
    let door = Door::with(with_secrets(&[OLD])).await;
    let (is_new, over) = (Arc::new(AtomicBool::new(false)), CancellationToken::new());
    let switched = Arc::new(Semaphore::new(0));
    let mut asking = JoinSet::new();
    for number in 0..SENDERS {
        let client = door.connect().await;
        let (is_new, switched, over) = (is_new.clone(), switched.clone(), over.clone());
        asking.spawn(keep_sending(client, number, is_new, switched, over));
    }

    door.handle
        .reload(&checked(with_secrets(&[OLD, NEW])))
        .unwrap();
    is_new.store(true, Ordering::SeqCst);
    let all = switched.acquire_many(SENDERS).await.unwrap();
    door.handle.reload(&checked(with_secrets(&[NEW]))).unwrap();
    let refused = door.ask(github(OLD).delivery("late")).await;
    over.cancel();

    assert_eq!(all.num_permits(), SENDERS as usize);
    refused.is_problem(401, "not-authenticated");
    let sent: u32 = asking.join_all().await.into_iter().sum();
    assert_eq!(door.shelf.stored.lock().len(), sent as usize);
}

/// Sends under the secret of the hour and expects to be believed. Tells when the first one under the new secret was.
async fn keep_sending(
    mut client: Client,
    number: u32,
    is_new: Arc<AtomicBool>,
    switched: Arc<Semaphore>,
    over: CancellationToken,
) -> u32 {
    let (mut sent, mut has_switched) = (0, false);
    while !over.is_cancelled() {
        let new = is_new.load(Ordering::SeqCst);
        let sender = github(if new { NEW } else { OLD });
        client
            .send(sender.delivery(&format!("{number}-{sent}")))
            .await;
        assert_eq!(client.answer().await.status, 200);
        sent += 1;
        if new && !has_switched {
            has_switched = true;
            switched.add_permits(1);
        }
    }
    sent
}

#[tokio::test]
async fn a_request_ends_under_the_secrets_under_which_it_began() {
    let door = Door::with(with_secrets(&[OLD])).await;
    let request = github(OLD).delivery("d-1");
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut client = door.connect().await;
    client
        .send(format!("{head}\r\nExpect: 100-continue\r\n\r\n"))
        .await;
    assert_eq!(client.head().await, 100);

    door.handle.reload(&checked(with_secrets(&[NEW]))).unwrap();
    client.send(body).await;

    assert_eq!(client.answer().await.status, 200);
    let next = door.ask(github(OLD).delivery("d-2")).await;
    next.is_problem(401, "not-authenticated");
}
