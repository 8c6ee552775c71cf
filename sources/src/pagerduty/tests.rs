//! PagerDuty's signatures, the vector of its Go library, and where its events stand in line.

use proptest::prelude::*;

use super::*;
use crate::testing::{at, body, head, needs_each_once, no_bit_may_change, secrets, stored, with};

/// From PagerDuty/go-pagerduty, `webhookv3`.
const SECRET: &str = "lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK";
const MAC: &str = "0c0b9495b893a39e70d1fea2fe11fbe0a825f88b9f67846f6cc07dd2bc5476cd";
const BODY: &str = r#"{"event":{"id":"01BWDWL3NYY7LUFPZCC28QUCMK","event_type":"incident.priority_updated","resource_type":"incident","occurred_at":"2021-04-26T17:36:27.458Z","agent":{"html_url":"https://acme.pagerduty.com/users/PLH1HKV","id":"PLH1HKV","self":"https://api.pagerduty.com/users/PLH1HKV","summary":"Tenex Engineer","type":"user_reference"},"client":null,"data":{"id":"PGR0VU2","type":"incident","self":"https://api.pagerduty.com/incidents/PGR0VU2","html_url":"https://acme.pagerduty.com/incidents/PGR0VU2","number":2,"status":"triggered","title":"A little bump in the road","service":{"html_url":"https://acme.pagerduty.com/services/PF9KMXH","id":"PF9KMXH","self":"https://api.pagerduty.com/services/PF9KMXH","summary":"API Service","type":"service_reference"},"assignees":[{"html_url":"https://acme.pagerduty.com/users/PTUXL6G","id":"PTUXL6G","self":"https://api.pagerduty.com/users/PTUXL6G","summary":"User 123","type":"user_reference"}],"escalation_policy":{"html_url":"https://acme.pagerduty.com/escalation_policies/PUS0KTE","id":"PUS0KTE","self":"https://api.pagerduty.com/escalation_policies/PUS0KTE","summary":"Default","type":"escalation_policy_reference"},"teams":[{"html_url":"https://acme.pagerduty.com/teams/PFCVPS0","id":"PFCVPS0","self":"https://api.pagerduty.com/teams/PFCVPS0","summary":"Engineering","type":"team_reference"}],"priority":{"html_url":"https://acme.pagerduty.com/account/incident_priorities","id":"PSO75BM","self":"https://api.pagerduty.com/priorities/PSO75BM","summary":"P1","type":"priority_reference"},"urgency":"high","conference_bridge":{"conference_number":1000,"conference_url":"https://example.com"},"resolve_reason":null}}}"#;

fn subscription() -> PagerDuty {
    PagerDuty::new(&secrets(&["the secret after this one", SECRET]))
}

fn published() -> HeaderMap {
    head(&[(&SIGNATURE_HEADER, &format!("v1={MAC}"))])
}

fn verify(header: &str) -> Result<(), Refusal> {
    let head = with(&published(), &SIGNATURE_HEADER, Some(header));
    subscription().verify(&head, BODY.as_bytes(), at(0))
}

fn read(body: &str) -> Result<Arrival, ReadError> {
    subscription().read("oncall", &published(), body.as_bytes())
}

#[test]
fn the_published_vector_is_verified_and_made() {
    let needed = [&SIGNATURE_HEADER];
    needs_each_once(
        &subscription(),
        &published(),
        BODY.as_bytes(),
        at(0),
        &needed,
    );
    assert_eq!(
        sign(&Secret::from(SECRET), BODY.as_bytes()).unwrap(),
        published()
    );
}

#[test]
fn several_signatures_are_a_rotation_and_other_versions_are_passed_over() {
    let wrong = "7020c8a7ec668a9b7012bc3dd82e483394b038f4230acc6785efbf2a7d8bcaf5";
    assert_eq!(verify(&format!("v1={wrong},v1={MAC}")), Ok(()));
    assert_eq!(verify(&format!("v1={MAC},v2=anything")), Ok(()));
    assert_eq!(
        verify(&format!("v1={wrong}")),
        Err(Refusal::NoKeyMatched(SIGNATURE_HEADER))
    );
    let many = vec![format!("v1={MAC}"); 9].join(",");
    assert_eq!(
        verify(&many),
        Err(Refusal::TooManySignatures(SIGNATURE_HEADER))
    );
    for bad in [
        MAC.to_owned(),
        format!("v2={MAC}"),
        format!("V1={MAC}"),
        format!("v1={}", MAC.to_uppercase()),
        format!("v1={MAC}00"),
        format!("v1={MAC},v1="),
    ] {
        assert_eq!(
            verify(&bad),
            Err(Refusal::HeaderMalformed(SIGNATURE_HEADER)),
            "{bad}"
        );
    }
}

#[test]
fn an_event_stands_in_its_incidents_line_under_its_own_id() {
    let (delivery, reply) = stored(read(BODY));

    assert_eq!(
        delivery,
        Delivery {
            source: "pagerduty:oncall".into(),
            delivery_id: Some("01BWDWL3NYY7LUFPZCC28QUCMK".into()),
            kind: "pagerduty.event",
            kind_version: 1,
            key: "in:pagerduty:oncall:incident:PGR0VU2".into(),
            urgency: Urgency::InOrder,
            subject: None,
            what: "incident.priority_updated",
            payload: None,
        }
    );
    assert_eq!(reply, None);
}

#[test]
fn notes_stand_in_their_incidents_line_and_the_rest_in_its_own() {
    for (event, line, what) in [
        (
            r#""event_type":"incident.annotated","resource_type":"incident","data":{"incident":{"id":"PGR0VU2"},"id":"P2LA89X"}"#,
            "incident:PGR0VU2",
            "incident.annotated",
        ),
        (
            r#""event_type":"service.updated","resource_type":"service","data":{"id":"PF9KMXH"}"#,
            "service:PF9KMXH",
            "service.updated",
        ),
        (
            r#""event_type":"pagey.ping","data":{"message":"hi"}"#,
            "unknown",
            "pagey.ping",
        ),
        (r#""event_type":"moon.full""#, "unknown", "other"),
    ] {
        let (delivery, _reply) = stored(read(&format!(r#"{{"event":{{"id":"e",{event}}}}}"#)));
        assert_eq!(delivery.key, format!("in:pagerduty:oncall:{line}"));
        assert_eq!(delivery.what, what);
    }
}

#[test]
fn an_event_without_one_id_is_none() {
    for (body, pointer) in [
        ("{}", "/event/id"),
        (r#"{"event":{"id":"a","id":"b"}}"#, "/event/id"),
        (r#"{"event":{},"event":{}}"#, "/event"),
        (r#"{"messages":[]}"#, "/event/id"),
    ] {
        assert_eq!(read(body).unwrap_err().pointer(), pointer, "{body}");
    }
}

proptest! {
    #[test]
    fn no_bit_of_body_or_signature_may_change(body in body(), place: prop::sample::Index, bit in 0_u8..8) {
        let head = sign(&Secret::from(SECRET), &body).unwrap();
        no_bit_may_change(&subscription(), &head, &body, at(0), &[&SIGNATURE_HEADER], &place, bit)?;
    }
}
