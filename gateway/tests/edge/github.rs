//! Payloads that GitHub really sent, collected by octokit/webhooks, through the real edge. `make test` fetches them.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::door::{Client, Door, settings};
use crate::senders::sender;

/// An event and payloads of it.
#[derive(Deserialize)]
struct Event {
    name: String,
    examples: Vec<Box<RawValue>>,
}

#[expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a test is told by the environment where its data is, and cannot do without"
)]
fn events() -> Vec<Event> {
    let path = std::env::var("SALLYPORT_TEST_GITHUB_PAYLOADS")
        .expect("`make test` fetches the payloads and sets SALLYPORT_TEST_GITHUB_PAYLOADS");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

async fn status(client: &mut Client, request: impl AsRef<[u8]>) -> u16 {
    client.send(request).await;
    client.answer().await.status
}

#[tokio::test]
async fn all_payloads_are_accepted_when_signed_and_none_with_a_changed_bit() {
    let mut settings = settings();
    settings["strangers"] = json!({"failures": {"requests": 1_000_000, "window_seconds": 1}});
    settings["routes"][0] =
        json!({"path": "/hooks/{name}", "accept": {"hooks": [sender("github").hook()]}});
    let door = Door::with(settings).await;
    let mut client = door.connect().await;
    let mut sent = 0;
    for event in events() {
        for example in &event.examples {
            let id = format!("d-{sent}");
            let request = sender("github").request(&id, example.get());
            let request = request.replacen(
                "x-github-event: ping",
                &format!("x-github-event: {}", event.name),
                1,
            );
            let mut changed = request.clone().into_bytes();
            let place = changed.len() - 1 - sent % example.get().len();
            changed[place] ^= 1 << (sent % 8);

            assert_eq!(status(&mut client, &request).await, 200, "{}", event.name);
            assert_eq!(status(&mut client, changed).await, 401, "{}", event.name);

            sent += 1;
            let stored = door.shelf.stored.lock();
            assert_eq!(stored.len(), sent);
            let payload: serde_json::Value =
                serde_json::from_slice(&stored[sent - 1].payload).unwrap();
            assert_eq!(payload["event"], event.name);
        }
    }
    assert_eq!(sent, 329);
}
