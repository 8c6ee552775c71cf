//! What somebody at the desk sees: lists in pages, and why a message stands where it stands.

use std::time::Duration;

use jiff::Timestamp;
use sallyport_queue::{
    ErrorNote, HoldChange, ListFilter, ListState, MessageId, NewMessage, Outcome, Scope, State,
    Verdict,
};

use crate::house::{House, end, message, only};

fn all(limit: u16) -> ListFilter {
    ListFilter {
        limit,
        ..ListFilter::default()
    }
}

async fn why(house: &House, id: MessageId) -> String {
    let inspector = house.queue.inspect();
    let trace = inspector.trace_of(id).await.unwrap().unwrap();
    let stories = inspector.by_trace(trace).await.unwrap();
    let story = stories.into_iter().find(|story| story.id == id).unwrap();
    inspector
        .why(&story, Timestamp::now())
        .await
        .unwrap()
        .join("; ")
}

#[tokio::test]
async fn pages_bring_every_message_once_and_filters_fit() {
    let house = House::new().await;
    let mut expected = Vec::new();
    for number in 0..7 {
        let delay = (number % 2 == 0).then_some(Duration::from_secs(60));
        let new = NewMessage {
            delay,
            ..message(&format!("in:{number}"))
        };
        expected.push(house.accept(new).await.id);
    }
    let inspector = house.queue.inspect();

    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = inspector.list(&all(2), after).await.unwrap();
        assert!(page.entries.len() <= 2);
        seen.extend(page.entries.iter().map(|entry| entry.id));
        after = page.next.map(|next| next.to_string().parse().unwrap());
        if after.is_none() {
            break;
        }
    }
    seen.sort();
    assert_eq!(seen, expected);

    let whole = inspector.list(&all(100), None).await.unwrap();
    assert!(whole.entries.is_sorted_by_key(|entry| entry.id));
    let of_key = ListFilter {
        key: Some("in:3".to_owned()),
        ..all(10)
    };
    assert_eq!(
        only(inspector.list(&of_key, None).await.unwrap().entries).id,
        expected[3]
    );
    for (state, count) in [
        (ListState::Ready, 3),
        (ListState::Delayed, 4),
        (ListState::Running, 0),
    ] {
        let filter = ListFilter {
            state: Some(state),
            ..all(10)
        };
        assert_eq!(
            inspector.list(&filter, None).await.unwrap().entries.len(),
            count
        );
    }
}

#[tokio::test]
async fn what_ended_badly_is_listed_newest_first_in_pages() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let mut dead = Vec::new();
    for kind in ["timeout", "schema", "timeout"] {
        dead.push(house.accept(message("in:1")).await.id);
        let claimed = only(worker.claim().await);
        let error = ErrorNote::new(kind, "it did not work");
        worker.settle(end(&claimed, Verdict::Dead { error })).await;
    }
    let inspector = house.queue.inspect();
    let filter = ListFilter {
        state: Some(ListState::Ended(Outcome::Dead)),
        error_kind: Some("timeout".to_owned()),
        ..all(1)
    };

    let first = inspector.list(&filter, None).await.unwrap();
    let second = inspector.list(&filter, first.next).await.unwrap();

    assert_eq!(only(first.entries).id, dead[2]);
    let last = only(second.entries);
    assert_eq!(
        (last.id, last.state),
        (dead[0], State::Ended(Outcome::Dead))
    );
}

#[tokio::test]
async fn the_reason_of_a_wait_names_what_is_waited_for() {
    let house = House::new().await;
    let worker = house.worker("a").await;
    let head = house.accept(message("in:1")).await.id;
    let behind = house.accept(message("in:1")).await.id;
    let claimed = worker.claim().await;
    let mut failed = end(
        &claimed[0],
        Verdict::Retry {
            after: Duration::from_secs(60),
            error: ErrorNote::new("model", "model answered 503"),
        },
    );
    failed.hold = HoldChange::Until(Duration::from_secs(60));
    worker.settle(failed).await;
    worker
        .store
        .release(&[claimed[1].reference()])
        .await
        .unwrap();

    let told = why(&house, behind).await;
    assert!(
        told.contains(&format!(
            "waits for message {head} of the same conversation, which is retried at "
        )),
        "{told}"
    );
    assert!(told.contains("(attempt 2: model answered 503)"), "{told}");
    let told = why(&house, head).await;
    assert!(told.starts_with("is retried at "), "{told}");

    house
        .queue
        .control()
        .pause(
            &Scope::Kind("telegram.update".to_owned()),
            "anna",
            "too loud",
        )
        .await
        .unwrap();
    let told = why(&house, head).await;
    assert!(
        told.starts_with("telegram.update is paused since ") && told.contains("by anna: too loud"),
        "{told}"
    );
    assert!(
        house
            .queue
            .replays()
            .hurry(head, "ben", "now")
            .await
            .unwrap()
    );
    assert!(
        !house
            .queue
            .replays()
            .hurry(behind, "ben", "now")
            .await
            .unwrap()
    );
}
