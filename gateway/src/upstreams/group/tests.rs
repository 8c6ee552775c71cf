//! Who is chosen, and that every place is given back.

use serde_json::json;

use super::*;

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn group(ports: std::ops::RangeInclusive<u16>, more: serde_json::Value) -> Arc<Group> {
    let addresses: Vec<_> = ports.map(address).collect();
    let mut settings = json!({"addresses": addresses});
    let fields = settings.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    let settings = serde_json::from_value(settings).unwrap();
    Arc::new(Group::new("unit", &settings, Instant::now(), None))
}

fn choose(group: &Arc<Group>) -> Lease {
    group.choose(&Tried::default()).ok().unwrap()
}

#[test]
fn the_least_loaded_is_chosen_and_equals_by_chance() {
    let group = group(1..=3, json!({}));
    let held: Vec<_> = (0..3).map(|_| choose(&group)).collect();
    let mut busy: Vec<_> = held.iter().map(Lease::address).collect();
    busy.sort_unstable();
    assert_eq!(busy, [address(1), address(2), address(3)]);

    let mut free = held;
    let idle = free.remove(1).address();
    assert_eq!(choose(&group).address(), idle);

    drop(free);
    let firsts: std::collections::BTreeSet<_> =
        (0..200).map(|_| choose(&group).address()).collect();
    assert_eq!(firsts.len(), 3);
}

#[test]
fn another_is_tried_when_there_is_one() {
    let group = group(1..=2, json!({}));

    for _ in 0..20 {
        let tried = [Some(address(1)), None];
        assert_eq!(group.choose(&tried).ok().unwrap().address(), address(2));
    }
    let all = [Some(address(1)), Some(address(2))];
    assert!(group.choose(&all).is_ok());
}

#[test]
fn places_are_given_back_whatever_happens() {
    let group = group(
        1..=1,
        json!({"in_flight_max": 1, "circuit": {"failures": 1}}),
    );
    let first = choose(&group);
    let busy = group.choose(&Tried::default()).err();
    assert_eq!(busy, Some(NoUpstream::Busy(BUSY_RETRY_AFTER)));
    drop(first);

    let mut second = choose(&group);
    second.failed(Failure::Broken);
    drop(second);
    let open = group.choose(&Tried::default()).err();
    assert!(matches!(open, Some(NoUpstream::Open(after)) if after > BUSY_RETRY_AFTER));
    assert_eq!(group.members()[0].in_flight(), 0);
}

#[test]
fn no_more_are_left_alone_than_leave_enough() {
    let group = group(
        1..=4,
        json!({"ejection": {"failures": 1, "sound_percent_min": 50}}),
    );
    let members = group.members();

    for member in members.iter() {
        group.eject(member, 1);
    }

    let sound = members.iter().filter(|member| member.is_sound(1)).count();
    assert_eq!(sound, 2);
}

#[test]
fn a_new_list_keeps_those_that_stay() {
    let group = group(1..=2, json!({"dns": null}));
    let before = group.members();
    before[1].enter(9);

    group.become_these(&[address(2), address(3)]);

    let after = group.members();
    assert_eq!((after[0].address, after[0].in_flight()), (address(2), 1));
    assert_eq!((after[1].address, after[1].in_flight()), (address(3), 0));
}

#[test]
fn a_budget_is_a_share_of_what_was_sent_lately() {
    let group = group(
        1..=1,
        json!({"retries": {"percent": 20, "at_least": 3, "window_ms": 600_000}}),
    );
    let retries = || (0..100).filter(|_| group.may_retry()).count();

    assert_eq!(retries(), 3);
    (0..50).for_each(|_| group.count_request());
    assert_eq!(retries(), 7, "a fifth of fifty");
}
