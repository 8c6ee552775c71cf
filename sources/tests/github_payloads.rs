//! Payloads that GitHub really sent, collected by octokit/webhooks: each is believed when it is signed, refused when it was changed, and
//! read into a line and a name. `make test` fetches them.

#![expect(
    clippy::disallowed_methods,
    reason = "a test is told by the environment where its data is"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the report"
)]

use std::collections::BTreeMap;
use std::time::SystemTime;

use sallyport_security::Secret;
use sallyport_sources::github::{self, SIGNATURE_HEADER};
use sallyport_sources::{Arrival, Delivery, Provider, Refusal, Source};
use serde::Deserialize;
use serde_json::value::RawValue;

/// An event and payloads of it.
#[derive(Deserialize)]
struct Event {
    name: String,
    examples: Vec<Box<RawValue>>,
}

const SECRET: &str = "It's a Secret to Everybody";

fn events() -> Vec<Event> {
    let path = std::env::var("SALLYPORT_TEST_GITHUB_PAYLOADS")
        .expect("`make test` fetches the payloads and sets SALLYPORT_TEST_GITHUB_PAYLOADS");
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn hook() -> Box<dyn Provider> {
    let source: Source = serde_json::from_str("\"github\"").unwrap();
    source.provider(&[Secret::from(SECRET)]).unwrap()
}

fn read(hook: &dyn Provider, event: &str, id: &str, body: &[u8]) -> Delivery {
    let head = github::sign(&Secret::from(SECRET), event, id, body).unwrap();
    let now = SystemTime::now();
    assert_eq!(hook.verify(&head, body, now), Ok(()), "{event}");
    match hook.read("ops", &head, body).unwrap() {
        Arrival::Delivery { delivery, reply } => {
            assert_eq!(reply, None, "{event}");
            delivery
        }
        Arrival::Question(_) => panic!("{event} was not to be stored"),
    }
}

#[test]
fn every_payload_is_believed_and_read_under_its_event_and_in_its_line() {
    let hook = hook();
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for event in events() {
        for (number, example) in event.examples.iter().enumerate() {
            let body = example.get().as_bytes();
            let id = format!("{}-{number}", event.name);

            let delivery = read(&*hook, &event.name, &id, body);

            assert_eq!(delivery.kind, "github.event");
            assert_eq!(delivery.what, event.name);
            assert_eq!(delivery.delivery_id.as_deref(), Some(id.as_str()));
            let payload: serde_json::Value =
                serde_json::from_slice(&delivery.payload.unwrap()).unwrap();
            let sent: serde_json::Value = serde_json::from_slice(body).unwrap();
            assert_eq!(payload["event"], event.name);
            assert_eq!(payload["payload"], sent);
            assert_eq!(delivery.key, line_of(&sent), "{id}");
            let line = delivery.key.split(':').nth(3).unwrap().to_owned();
            *lines.entry(line).or_default() += 1;
        }
    }
    // What is left belongs to nothing but a person or all of GitHub: authorisations, sponsorships, purchases, advisories.
    let expected = [
        ("installation", 10),
        ("organization", 25),
        ("repository", 280),
        ("unknown", 14),
    ];
    let expected = expected.map(|(line, count)| (line.to_owned(), count));
    assert_eq!(lines, BTreeMap::from(expected));
    assert_eq!(lines.values().sum::<usize>(), 329);
}

#[test]
fn a_changed_bit_anywhere_in_a_payload_is_refused() {
    let hook = hook();
    let now = SystemTime::now();
    for event in events() {
        for example in &event.examples {
            let body = example.get().as_bytes();
            let head = github::sign(&Secret::from(SECRET), &event.name, "1", body).unwrap();
            for tenth in 0..=10 {
                let mut changed = body.to_vec();
                changed[(body.len() - 1) * tenth / 10] ^= 1 << (tenth % 8);
                assert_eq!(
                    hook.verify(&head, &changed, now),
                    Err(Refusal::NoKeyMatched(SIGNATURE_HEADER)),
                    "{}",
                    event.name
                );
            }
        }
    }
}

/// The line as a full parse of the payload finds it.
fn line_of(payload: &serde_json::Value) -> String {
    let place = ["repository", "organization", "installation", "enterprise"]
        .into_iter()
        .find_map(|place| Some((place, payload[place]["id"].as_i64()?)));
    match place {
        Some((place, id)) => format!("in:github:ops:{place}:{id}"),
        None => "in:github:ops:unknown".to_owned(),
    }
}
