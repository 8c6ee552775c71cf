use std::num::NonZeroU16;

use serde_json::{Value, json};

use super::*;

fn slice(name: &str, kind: &str, port: Value, endpoints: Value) -> EndpointSlice {
    let slice = json!({
        "metadata": {"name": name, "resourceVersion": "1"},
        "addressType": kind,
        "ports": [{"name": "metrics", "port": 9000, "protocol": "TCP"}, port],
        "endpoints": endpoints,
    });
    serde_json::from_value(slice).unwrap()
}

fn http() -> Value {
    json!({"name": "http", "port": 8080, "protocol": "TCP"})
}

fn named() -> Slices {
    Slices::of(&EndpointPort::Name("http".to_owned()))
}

fn shown(slices: &Slices) -> Vec<String> {
    slices.addresses().iter().map(ToString::to_string).collect()
}

#[test]
fn whoever_is_ready_and_does_not_end_is_asked() {
    let conditions = [
        (json!({"ready": true}), true),
        (json!({"ready": null, "serving": null}), true),
        (json!({}), true),
        (json!({"ready": false, "serving": false}), false),
        (json!({"serving": false}), false),
        // `publishNotReadyAddresses`: the service wants it to be asked.
        (json!({"ready": true, "serving": false}), true),
        (
            json!({"ready": false, "serving": true, "terminating": true}),
            false,
        ),
        (json!({"ready": true, "terminating": true}), false),
    ];
    for (conditions, is_asked) in conditions {
        let endpoints = json!([{"addresses": ["10.0.0.1"], "conditions": conditions}]);
        let mut slices = named();
        slices
            .replace(&[slice("a", "IPv4", http(), endpoints)])
            .unwrap();

        assert_eq!(!shown(&slices).is_empty(), is_asked, "{conditions}");
    }
}

#[test]
fn slices_are_one_list_without_duplicates() {
    let one = json!([{"addresses": ["10.0.0.2", "10.9.9.9"]}, {"addresses": ["10.0.0.1"]}]);
    let other = json!([{"addresses": ["10.0.0.2"]}, {"addresses": ["10.0.0.3"]}]);
    let mut slices = named();
    slices.set(slice("a", "IPv4", http(), one)).unwrap();
    slices.set(slice("b", "IPv4", http(), other)).unwrap();

    assert_eq!(
        shown(&slices),
        ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"]
    );
    slices.delete("a");
    assert_eq!(shown(&slices), ["10.0.0.2:8080", "10.0.0.3:8080"]);
}

#[test]
fn a_pod_of_both_families_counts_once() {
    let mut slices = named();
    let (v4, v6) = (
        json!([{"addresses": ["10.0.0.1"]}]),
        json!([{"addresses": ["fd00::1"]}, {"addresses": ["10.0.0.7"]}]),
    );
    slices.set(slice("six", "IPv6", http(), v6)).unwrap();
    assert_eq!(
        shown(&slices),
        ["[fd00::1]:8080"],
        "by what it is said to be"
    );

    slices.set(slice("four", "IPv4", http(), v4)).unwrap();
    assert_eq!(shown(&slices), ["10.0.0.1:8080"]);

    let names = json!([{"addresses": ["pod.test"]}]);
    slices.set(slice("four", "FQDN", http(), names)).unwrap();
    assert_eq!(shown(&slices), ["[fd00::1]:8080"]);
}

#[test]
fn each_slice_has_its_own_number_for_a_port() {
    let endpoint = |address: &str| json!([{"addresses": [address]}]);
    let port = |port: u16| json!({"name": "http", "port": port, "protocol": "TCP"});
    let mut slices = named();
    slices
        .replace(&[
            slice("a", "IPv4", port(8080), endpoint("10.0.0.1")),
            slice("b", "IPv4", port(8081), endpoint("10.0.0.2")),
            slice(
                "c",
                "IPv4",
                json!({"name": "http", "port": 53, "protocol": "UDP"}),
                endpoint("10.0.0.3"),
            ),
        ])
        .unwrap();
    assert_eq!(shown(&slices), ["10.0.0.1:8080", "10.0.0.2:8081"]);

    let mut numbered = Slices::of(&EndpointPort::Number(NonZeroU16::new(9000).unwrap()));
    let unnamed = json!({"name": "", "port": 1});
    numbered
        .set(slice("a", "IPv4", unnamed, endpoint("10.0.0.1")))
        .unwrap();
    assert_eq!(shown(&numbered), ["10.0.0.1:9000"]);
}

#[test]
fn what_is_kept_is_bounded() {
    let mut slices = named();
    let many: Vec<_> = (1..=200)
        .map(|last| json!({"addresses": [format!("10.0.0.{last}")]}))
        .collect();
    slices.set(slice("a", "IPv4", http(), json!(many))).unwrap();
    assert_eq!(slices.addresses().len(), MEMBERS_MAX);

    let mut more = (0..SLICES_MAX).map(|n| slice(&n.to_string(), "IPv4", http(), json!(null)));
    assert!(more.any(|slice| slices.set(slice).is_err()));
}
