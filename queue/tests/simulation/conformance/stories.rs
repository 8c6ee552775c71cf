//! The stories. Each says what it expects, so that both sides are judged by the same words.

use std::time::Duration;

use jiff::Timestamp;
use sallyport_queue::{
    ErrorNote, HoldChange, Key, NewMessage, Priority, Settled, Settlement, Verdict,
};

use super::Stored;
use crate::checker::{IN, SEND};
use crate::edge::message;
use crate::model::Taken;

fn from(key: &str, number: u32) -> NewMessage {
    message(IN, Key::from(key), number, u64::from(number))
}

fn delivery(number: u32) -> NewMessage {
    NewMessage {
        delivery_id: Some(number.to_string()),
        ..from("in:1", number)
    }
}

fn end(taken: &Taken, verdict: Verdict) -> Settlement {
    Settlement {
        message: taken.reference(),
        attempt: taken.attempts + 1,
        started_at: Timestamp::UNIX_EPOCH,
        verdict,
        hold: HoldChange::Keep,
        outgoing: Vec::new(),
    }
}

fn retry(after: Duration) -> Verdict {
    Verdict::Retry {
        after,
        error: ErrorNote::new("story", "not yet"),
    }
}

fn only<T: std::fmt::Debug>(mut list: Vec<T>) -> T {
    assert_eq!(list.len(), 1, "{list:?}");
    list.remove(0)
}

pub(crate) async fn a_repeated_delivery_is_stored_once(stored: &mut impl Stored) {
    let first = stored.accept(delivery(1)).await;
    let again = stored
        .accept(NewMessage {
            trace: delivery(2).trace,
            ..delivery(1)
        })
        .await;

    assert!(!first.1);
    assert_eq!(again, (first.0, true));
    let token = stored.own("a").await;
    assert_eq!(only(stored.claim("a", token, &[]).await).id, first.0);
}

pub(crate) async fn an_accept_without_an_answer_and_its_repetition_are_one_message(
    stored: &mut impl Stored,
) {
    stored.accept_and_leave(delivery(1)).await;
    let (id, _) = stored.accept(delivery(1)).await;

    let token = stored.own("a").await;

    assert_eq!(only(stored.claim("a", token, &[]).await).id, id);
}

pub(crate) async fn a_claim_brings_the_most_urgent_and_the_oldest_first_and_nothing_that_is_in_hand(
    stored: &mut impl Stored,
) {
    let late = NewMessage {
        priority: Priority::Background,
        ..from("in:0", 1)
    };
    stored.accept(late).await;
    for number in 2..5 {
        stored.accept(from("in:1", number)).await;
    }
    let token = stored.own("a").await;

    let all = stored.claim("a", token, &[]).await;
    let second = all[1].id;
    let rest = stored.claim("a", token, &[second]).await;

    let origins = |list: &[Taken]| list.iter().map(|one| one.origin).collect::<Vec<_>>();
    assert_eq!(origins(&all), [2, 3, 4, 1]);
    assert_eq!(origins(&rest), [2, 4, 1]);
    assert!(rest.iter().all(|one| one.claim > all[0].claim));
}

pub(crate) async fn an_end_is_durable_once_and_its_repetition_learns_so(stored: &mut impl Stored) {
    stored.accept(from("in:1", 1)).await;
    let token = stored.own("a").await;
    let taken = only(stored.claim("a", token, &[]).await);
    let done = Settlement {
        outgoing: vec![message(SEND, Key::from("out:1"), 1, 9)],
        ..end(&taken, Verdict::Done)
    };

    let first = stored.settle("a", done.clone()).await;
    let again = stored.settle("a", done).await;

    assert_eq!((first, again), (Settled::Durable, Settled::Durable));
    assert_eq!(only(stored.claim("a", token, &[]).await).kind, SEND);
}

pub(crate) async fn a_stale_settlement_changes_nothing_and_causes_nothing(
    stored: &mut impl Stored,
) {
    stored.accept(from("in:1", 1)).await;
    let token = stored.own("a").await;
    let taken = only(stored.claim("a", token, &[]).await);
    let heirs = stored.own("b").await;
    let done = Settlement {
        outgoing: vec![message(SEND, Key::from("out:1"), 1, 9)],
        ..end(&taken, Verdict::Done)
    };

    assert_eq!(stored.settle("a", done).await, Settled::Stale);

    assert!(stored.claim("a", token, &[]).await.is_empty());
    assert_eq!(only(stored.claim("b", heirs, &[]).await).id, taken.id);
}

pub(crate) async fn a_retry_waits_for_its_time_and_counts_a_snooze_does_not(
    stored: &mut impl Stored,
) {
    stored.accept(from("in:1", 1)).await;
    let token = stored.own("a").await;
    let hour = Duration::from_secs(3_600);
    let first = only(stored.claim("a", token, &[]).await);

    stored.settle("a", end(&first, retry(hour))).await;
    assert_eq!(stored.promote("a").await, 0);
    assert!(stored.claim("a", token, &[]).await.is_empty());
    stored.pass(hour).await;
    assert_eq!(stored.promote("a").await, 1);

    let second = only(stored.claim("a", token, &[]).await);
    assert_eq!((second.attempts, second.interrupted), (1, false));
    let snooze = Verdict::Snooze { for_: hour };
    stored.settle("a", end(&second, snooze)).await;
    stored.pass(hour).await;
    assert_eq!(stored.promote("a").await, 1);
    assert_eq!(only(stored.claim("a", token, &[]).await).attempts, 1);
}

pub(crate) async fn a_settlement_that_arrives_again_after_its_message_came_back_changes_nothing(
    stored: &mut impl Stored,
) {
    stored.accept(from("in:1", 1)).await;
    let token = stored.own("a").await;
    let first = only(stored.claim("a", token, &[]).await);
    let failed = end(&first, retry(Duration::ZERO));
    stored.settle("a", failed.clone()).await;
    let second = only(stored.claim("a", token, &[]).await);
    stored
        .settle("a", end(&second, retry(Duration::ZERO)))
        .await;
    let third = only(stored.claim("a", token, &[]).await);

    assert_eq!(stored.settle("a", failed).await, Settled::Durable);

    assert_eq!(third.attempts, 2);
    assert_eq!(only(stored.claim("a", token, &[]).await).attempts, 2);
    let settled = stored.settle("a", end(&third, Verdict::Done)).await;
    assert_eq!(settled, Settled::Durable);
}

pub(crate) async fn a_takeover_counts_what_was_begun_once(stored: &mut impl Stored) {
    let (id, _) = stored.accept(from("in:1", 1)).await;
    let token = stored.own("a").await;
    stored.claim("a", token, &[]).await;
    let heirs = stored.own("b").await;

    let taken = stored.take_over("b", heirs).await;
    let again = stored.take_over("b", heirs).await;

    assert_eq!((taken.interrupted, taken.ambiguous), (vec![id], vec![]));
    assert!(again.interrupted.is_empty());
    let claimed = only(stored.claim("b", heirs, &[]).await);
    assert_eq!((claimed.attempts, claimed.interrupted), (1, true));
    assert!(
        stored.take_over("a", token).await.interrupted.is_empty(),
        "whoever owns nothing counts nothing"
    );
}

pub(crate) async fn what_was_given_back_does_not_count(stored: &mut impl Stored) {
    stored.accept(from("in:1", 1)).await;
    let token = stored.own("a").await;
    let taken = only(stored.claim("a", token, &[]).await);
    stored.release("a", taken.reference(), false).await;
    let heirs = stored.own("b").await;

    assert!(stored.take_over("b", heirs).await.interrupted.is_empty());
    assert_eq!(only(stored.claim("b", heirs, &[]).await).attempts, 0);
}

pub(crate) async fn an_unsettled_send_is_ambiguous(stored: &mut impl Stored) {
    let send = message(SEND, Key::from("out:1"), 1, 9);
    let (id, _) = stored.accept(send).await;
    let token = stored.own("a").await;
    stored.claim("a", token, &[]).await;
    let heirs = stored.own("b").await;

    assert_eq!(stored.take_over("b", heirs).await.ambiguous, [id]);
}

pub(crate) async fn a_hold_is_found_by_the_heir_until_it_is_lifted(stored: &mut impl Stored) {
    stored.accept(from("in:1", 1)).await;
    let token = stored.own("a").await;
    let taken = only(stored.claim("a", token, &[]).await);
    let parked = Settlement {
        hold: HoldChange::Park,
        ..end(&taken, retry(Duration::from_secs(60)))
    };
    stored.settle("a", parked).await;
    let heirs = stored.own("b").await;

    let held = only(stored.take_over("b", heirs).await.held);
    assert_eq!((held.head, held.remaining), (taken.id, None));

    stored.lift("b", &held.key, held.head).await;
    assert!(stored.take_over("b", heirs).await.held.is_empty());
}

pub(crate) async fn a_hold_that_stands_keeps_its_end(stored: &mut impl Stored) {
    stored.accept(from("in:1", 1)).await;
    let token = stored.own("a").await;
    for seconds in [60, 600] {
        let taken = only(stored.claim("a", token, &[]).await);
        let held = Settlement {
            hold: HoldChange::Until(Duration::from_secs(seconds)),
            ..end(&taken, retry(Duration::ZERO))
        };
        assert_eq!(stored.settle("a", held).await, Settled::Durable);
    }

    let held = only(stored.take_over("a", token).await.held);

    assert!(held.remaining.unwrap() <= Duration::from_secs(60));
    let taken = only(stored.claim("a", token, &[]).await);
    let lifted = Settlement {
        hold: HoldChange::Lift,
        ..end(&taken, Verdict::Done)
    };
    stored.settle("a", lifted).await;
    assert!(stored.take_over("a", token).await.held.is_empty());
}

fn ids(list: &[Taken]) -> Vec<i64> {
    list.iter().map(|one| one.id.0).collect()
}

pub(crate) async fn what_is_put_behind_comes_by_its_key_and_nothing_overtakes_it(
    stored: &mut impl Stored,
) {
    let key = Key::from("in:1");
    stored.accept(from("in:1", 1)).await;
    stored.accept(from("in:1", 2)).await;
    let token = stored.own("a").await;
    let both = stored.claim("a", token, &[]).await;
    stored.release("a", both[1].reference(), true).await;
    stored.accept(from("in:1", 3)).await;
    stored.accept(from("in:2", 4)).await;

    let next = stored.claim("a", token, &[both[0].id]).await;

    assert_eq!(only(next).origin, 4, "the third went behind the second");
    let behind = stored.claim_behind("a", token, &key).await;
    assert_eq!(
        behind.iter().map(|one| one.origin).collect::<Vec<_>>(),
        [2, 3]
    );
    let done = stored.settle("a", end(&behind[0], Verdict::Done)).await;
    assert_eq!(done, Settled::Durable);
    assert_eq!(only(stored.claim_behind("a", token, &key).await).origin, 3);
}

pub(crate) async fn whatever_is_lost_or_given_back_joins_what_is_behind_of_its_key(
    stored: &mut impl Stored,
) {
    let key = Key::from("in:1");
    for number in 1..4 {
        stored.accept(from("in:1", number)).await;
    }
    let token = stored.own("a").await;
    let all = stored.claim("a", token, &[]).await;
    stored.release("a", all[2].reference(), true).await;
    stored.release("a", all[1].reference(), false).await;
    let heirs = stored.own("b").await;

    stored.take_over("b", heirs).await;

    assert!(stored.claim("b", heirs, &[]).await.is_empty());
    let behind = stored.claim_behind("b", heirs, &key).await;
    assert_eq!(ids(&behind), ids(&all));
    assert_eq!(
        behind.iter().map(|one| one.attempts).collect::<Vec<_>>(),
        [1, 0, 0]
    );
}
