//! The pending updates, without a network: order, lanes, waits, confirmations.

use super::*;

fn said(updates: &mut Updates, chat_id: i64, now: Instant) -> u32 {
    let update_id = updates.number();
    let fate = Fate {
        update_id,
        chat_id,
        kind: "message",
        ..Fate::default()
    };
    updates.push(fate, Bytes::from(update_id.to_string()), now);
    update_id
}

fn refusal(retry_after: Option<u64>) -> Refused<'static> {
    Refused {
        status: Some(503),
        retry_after: retry_after.map(Duration::from_secs),
        error: "Wrong response from the webhook: 503 Service Unavailable",
        first_delay: Duration::from_secs(1),
    }
}

#[test]
fn the_next_update_of_a_chat_waits_for_the_previous_one_while_other_chats_go_on() {
    let (mut updates, now) = (Updates::starting_at(1), Instant::now());
    let first = said(&mut updates, 7, now);
    let second = said(&mut updates, 7, now);
    let other = said(&mut updates, 8, now);

    let away: Vec<_> = std::iter::from_fn(|| updates.depart(now, 0))
        .map(|departure| departure.update_id)
        .collect();
    assert_eq!(away, [first, other]);

    updates.accepted(first, 200, None, now, 0);
    assert_eq!(
        updates.depart(now, 0).map(|departure| departure.update_id),
        Some(second)
    );
}

#[test]
fn a_refused_update_is_tried_again_first_after_the_first_delay_and_then_doubling() {
    let (mut updates, mut now) = (Updates::starting_at(1), Instant::now());
    let id = said(&mut updates, 7, now);

    for wait in [1, 2, 4, 8] {
        assert_eq!(
            updates.depart(now, 0).map(|departure| departure.update_id),
            Some(id)
        );
        updates.refused(id, &refusal(None), now, 0);
        assert!(
            updates
                .depart(now + Duration::from_millis(wait * 1_000 - 1), 0)
                .is_none()
        );
        now += Duration::from_secs(wait);
    }
    assert_eq!(updates.fate(id).map(|fate| fate.attempts), Some(4));
}

#[test]
fn a_retry_after_is_honoured_up_to_an_hour() {
    let (mut updates, now) = (Updates::starting_at(1), Instant::now());
    let id = said(&mut updates, 7, now);
    updates.depart(now, 0);

    updates.refused(id, &refusal(Some(1_000_000)), now, 0);

    assert_eq!(updates.next_due(), Some(now + Duration::from_secs(3_600)));
}

#[test]
fn confirming_an_offset_forgets_everything_below_it() {
    let (mut updates, now) = (Updates::starting_at(10), Instant::now());
    for chat in [7, 8, 7] {
        said(&mut updates, chat, now);
    }

    updates.confirm(12, now);

    assert_eq!(updates.poll(100, 0), [Bytes::from("12")]);
}

#[test]
fn a_negative_offset_keeps_the_newest() {
    let (mut updates, now) = (Updates::starting_at(10), Instant::now());
    for _ in 0..5 {
        said(&mut updates, 7, now);
    }

    updates.confirm(-1, now);

    assert_eq!(updates.poll(100, 0), [Bytes::from("14")]);
}

#[test]
fn an_update_that_was_under_way_when_the_webhook_went_is_sent_again() {
    let (mut updates, now) = (Updates::starting_at(1), Instant::now());
    let id = said(&mut updates, 7, now);
    updates.depart(now, 0);

    updates.recall(now);

    assert_eq!(
        updates.depart(now, 0).map(|departure| departure.update_id),
        Some(id)
    );
}

#[test]
fn kinds_that_telegram_sends_only_on_request_are_not_wanted_by_default() {
    let mut updates = Updates::starting_at(1);
    assert!(updates.wants("message") && !updates.wants("chat_member"));

    updates.allowed = Some(vec!["chat_member".to_owned()]);
    assert!(!updates.wants("message") && updates.wants("chat_member"));
}
