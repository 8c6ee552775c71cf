//! What the providers' tests share: a clock that stands still, heads, and strangers who change one bit.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use sallyport_security::Secret;

use crate::{Arrival, Delivery, Provider, ReadError, Refusal, Reply};

/// So many seconds since 1970.
pub(crate) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

pub(crate) fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::from(*text)).collect()
}

pub(crate) fn head(fields: &[(&HeaderName, &str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| ((*name).clone(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

/// `head` with another value for `name`, or with none.
pub(crate) fn with(head: &HeaderMap, name: &HeaderName, value: Option<&str>) -> HeaderMap {
    let mut head = head.clone();
    head.remove(name);
    if let Some(value) = value {
        head.insert(name.clone(), HeaderValue::from_str(value).unwrap());
    }
    head
}

/// `head` with the value of `name` twice.
pub(crate) fn twice(head: &HeaderMap, name: &HeaderName) -> HeaderMap {
    let mut twice = head.clone();
    twice.append(name.clone(), head[name].clone());
    twice
}

/// What is stored, and what is answered then.
pub(crate) fn stored(arrival: Result<Arrival, ReadError>) -> (Delivery, Option<Reply>) {
    match arrival.unwrap() {
        Arrival::Delivery { delivery, reply } => (delivery, reply),
        Arrival::Question(reply) => panic!("only answered: {reply:?}"),
    }
}

/// What is answered without anything being stored.
pub(crate) fn answered(arrival: Result<Arrival, ReadError>) -> String {
    match arrival.unwrap() {
        Arrival::Question(reply) => String::from_utf8(reply.body).unwrap(),
        Arrival::Delivery { delivery, .. } => panic!("stored: {delivery:?}"),
    }
}

/// Every header of `needed` must be there, once, and with a value that says something.
pub(crate) fn needs_each_once(
    provider: &dyn Provider,
    genuine: &HeaderMap,
    body: &[u8],
    now: SystemTime,
    needed: &[&HeaderName],
) {
    assert_eq!(provider.verify(genuine, body, now), Ok(()));
    for name in needed {
        let name = *name;
        let missing = with(genuine, name, None);
        let refused = Refusal::HeaderMissing(name.clone());
        assert_eq!(provider.check_head(&missing, now), Err(refused.clone()));
        assert_eq!(provider.verify(&missing, body, now), Err(refused));

        let repeated = twice(genuine, name);
        let refused = Refusal::HeaderRepeated(name.clone());
        assert_eq!(provider.check_head(&repeated, now), Err(refused.clone()));
        assert_eq!(provider.verify(&repeated, body, now), Err(refused));

        let empty = with(genuine, name, Some(""));
        let refused = Refusal::HeaderMalformed(name.clone());
        assert_eq!(provider.check_head(&empty, now), Err(refused.clone()));
        assert_eq!(provider.verify(&empty, body, now), Err(refused));
    }
    assert_eq!(
        provider.verify(genuine, b"", now),
        Err(Refusal::BodyEmpty),
        "empty body"
    );
}

/// One changed bit of the body, or of a header in `vouched`, and nothing is believed any more.
pub(crate) fn no_bit_may_change(
    provider: &dyn Provider,
    genuine: &HeaderMap,
    body: &[u8],
    now: SystemTime,
    vouched: &[&HeaderName],
    place: &prop::sample::Index,
    bit: u8,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(provider.verify(genuine, body, now), Ok(()));
    let flipped = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        bytes
    };
    prop_assert!(provider.verify(genuine, &flipped(body), now).is_err());
    for name in vouched {
        let value = genuine[*name].as_bytes();
        let changed = flipped(value);
        // Some bits make a value that cannot be sent, and where case means nothing one bit of a letter means nothing.
        let Ok(sent) = HeaderValue::from_bytes(&changed) else {
            continue;
        };
        if changed.eq_ignore_ascii_case(value) && provider.name() == "discord" {
            continue;
        }
        let mut head = genuine.clone();
        head.insert((*name).clone(), sent);
        prop_assert!(provider.verify(&head, body, now).is_err(), "{}", name);
    }
    Ok(())
}

/// Some body.
pub(crate) fn body() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 1..200)
}
