//! Sharing out room, without a database.

use super::*;

fn at_once(max: u32, taken: u32, waiters: &[i64]) -> Group {
    Group {
        bound: Some(Limit::at_once("", max).bound),
        taken,
        waiters: waiters.iter().copied().map(MessageId).collect(),
        ..Group::default()
    }
}

fn each_second(tokens: f64, in_line: &[i64]) -> Group {
    Group {
        bound: Some(Limit::rate("", Duration::from_secs(1), 1).bound),
        tokens,
        in_line: in_line.iter().copied().map(MessageId).collect(),
        ..Group::default()
    }
}

fn asks<'a>(id: i64, limits: &'a [Limit], has: &[&'a str]) -> Asking<'a> {
    Asking {
        id: MessageId(id),
        limits,
        has: has.to_vec(),
    }
}

fn starts(round: &Round<'_>) -> Vec<bool> {
    let starts = |share: &Option<Share<'_>>| *share == Some(Share::Starts);
    round.shares.iter().map(starts).collect()
}

#[test]
fn places_go_to_the_oldest_and_never_beyond_the_bound() {
    let limits = [Limit::at_once("g", 3)];
    let mut groups = HashMap::from([("g", at_once(3, 1, &[]))]);
    let asking: Vec<Asking<'_>> = [9, 5, 7].map(|id| asks(id, &limits, &[])).into();

    let round = share_out(&mut groups, &asking);

    assert_eq!(starts(&round), [false, true, true]);
    assert_eq!(groups["g"].taken, 3);
}

#[test]
fn a_newcomer_does_not_overtake_those_that_wait() {
    let limits = [Limit::at_once("g", 2)];
    let mut groups = HashMap::from([("g", at_once(2, 0, &[3, 4, 8]))]);

    let round = share_out(&mut groups, &[asks(6, &limits, &[])]);

    assert_eq!(starts(&round), [false]);
    assert_eq!(round.called, [("g", MessageId(3)), ("g", MessageId(4))]);
}

#[test]
fn who_was_called_starts_with_the_place_it_has() {
    let limits = [Limit::at_once("g", 1)];
    let mut groups = HashMap::from([("g", at_once(1, 1, &[7]))]);

    let round = share_out(&mut groups, &[asks(3, &limits, &["g"])]);

    assert_eq!(starts(&round), [true]);
    assert!(round.called.is_empty());
}

#[test]
fn who_must_wait_elsewhere_gives_its_place_to_the_next() {
    let limits = [Limit::at_once("g", 1), Limit::at_once("h", 1)];
    let mut groups = HashMap::from([("g", at_once(1, 1, &[7])), ("h", at_once(1, 1, &[]))]);

    let round = share_out(&mut groups, &[asks(3, &limits, &["g"])]);

    assert_eq!(starts(&round), [false]);
    assert_eq!(round.called, [("g", MessageId(7))]);
}

#[test]
fn starts_wait_as_long_as_those_before_them_need() {
    let limits = [Limit::rate("r", Duration::from_secs(1), 1)];
    let mut groups = HashMap::from([("r", each_second(1.0, &[]))]);
    let asking: Vec<Asking<'_>> = [1, 2, 3].map(|id| asks(id, &limits, &[])).into();

    let round = share_out(&mut groups, &asking);

    let waits: Vec<f64> = round
        .shares
        .iter()
        .map(|share| match share {
            Some(Share::Waits {
                wait: Some(wait), ..
            }) => wait.as_secs_f64(),
            Some(Share::Starts | Share::Waits { wait: None, .. }) | None => 0.0,
        })
        .collect();
    assert_eq!(waits, [0.0, 1.0, 2.0]);
}

#[test]
fn a_start_is_kept_for_the_one_that_stands_in_line() {
    let limits = [Limit::rate("r", Duration::from_secs(1), 1)];
    let mut groups = HashMap::from([("r", each_second(1.0, &[4]))]);

    let round = share_out(&mut groups, &[asks(5, &limits, &[]), asks(4, &limits, &[])]);

    assert_eq!(starts(&round), [false, true]);
}
