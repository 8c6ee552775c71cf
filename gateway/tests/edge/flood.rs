//! A flood of forged requests, as fast as this machine sends them, and genuine updates in the middle of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::task::JoinSet;

use crate::door::{Client, Door, SECRET, post, said};

const FORGERS: usize = 32;
const GENUINE: i64 = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_genuine_update_is_taken_in_the_middle_of_a_flood() {
    let door = Door::open().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let refused = Arc::new(AtomicUsize::new(0));
    let mut forgers = JoinSet::new();
    for _ in 0..FORGERS {
        let client = door.connect().await;
        forgers.spawn(forge(client, Arc::clone(&is_over), Arc::clone(&refused)));
    }

    let mut genuine = door.connect().await;
    for update in 0..GENUINE {
        genuine
            .send(post("/telegram/ops", SECRET, &said(update)))
            .await;
        assert_eq!(genuine.answer().await.status, 200, "update {update}");
    }
    is_over.store(true, Ordering::SeqCst);
    forgers.join_all().await;

    let stored = door.shelf.stored.lock().len();
    assert_eq!(i64::try_from(stored).unwrap(), GENUINE);
    assert!(
        refused.load(Ordering::SeqCst) > FORGERS,
        "there was no flood"
    );
}

/// Sends forged updates on one connection, each as soon as the one before it was refused.
async fn forge(mut client: Client, is_over: Arc<AtomicBool>, refused: Arc<AtomicUsize>) {
    let forged = post("/telegram/ops", "forged", &said(1));
    while !is_over.load(Ordering::SeqCst) {
        client.send(&forged).await;
        let status = client.answer().await.status;
        assert!(status == 401 || status == 429, "{status}");
        refused.fetch_add(1, Ordering::SeqCst);
    }
}
