//! What a verified request turns out to be: something to store, or a question to answer on the spot.
//!
//! It exists apart from the providers because the edge and the poller speak these words, and no provider's.

use sallyport_security::signature::fingerprint;

use crate::{STOP_BUTTON, encoding};

/// The longest part of a key or id that is taken over as it is. Ids of every provider met so far are shorter.
const PLAIN_BYTES_MAX: usize = 128;

/// Whether a delivery may stand in line behind others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// In its chat's order.
    InOrder,
    /// At once: somebody waits for it by the clock, or wants to stop what stands before it.
    Now,
}

impl Urgency {
    /// The urgency of a pressed button that carries `data`.
    pub(crate) fn of_button(data: &str) -> Self {
        match data.strip_prefix(STOP_BUTTON) {
            Some(rest) if rest.is_empty() || rest.starts_with(':') => Self::Now,
            _ => Self::InOrder,
        }
    }

    /// The line of `place` within `source`; the source's catch-all line where the place is unknown, which nothing overtakes.
    pub(crate) fn line(self, source: &str, place: Option<&str>) -> (String, Self) {
        match (self, place) {
            (Self::Now, Some(place)) => (format!("now:{source}:{place}"), self),
            (Self::InOrder, Some(place)) => (format!("in:{source}:{place}"), self),
            (_, None) => (format!("in:{source}:unknown"), Self::InOrder),
        }
    }
}

/// What the queue must know about a delivery, read from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Who sent it, for example `telegram:ops`: the space in which `delivery_id` is unique.
    pub source: String,
    /// The sender's own number for it; the same again means the same delivery. A sender without such numbers gets
    /// everything stored that it sends (law L2).
    pub delivery_id: Option<String>,
    /// Kind of message on the queue.
    pub kind: &'static str,
    /// Version of that kind's payload.
    pub kind_version: u16,
    /// Deliveries of one key are handled in order.
    pub key: String,
    /// Whether `key` stands in a chat's line or beside it.
    pub urgency: Urgency,
    /// Whom it is about, when known, for example `telegram:123456`: what an erasure looks for.
    pub subject: Option<String>,
    /// The provider's word for what happened, `other` when it is new to us. Few values: good for a span.
    pub what: &'static str,
    /// JSON to be stored in place of the body, where the body is none, or does not say all that its head says.
    pub payload: Option<Vec<u8>>,
}

/// What is sent to a provider that expects more than a 2xx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status, for example 200.
    pub status: u16,
    /// Type of `body`; none goes with an empty one.
    pub media_type: Option<&'static str>,
    /// The bytes.
    pub body: Vec<u8>,
}

impl Reply {
    /// 200, with JSON.
    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            media_type: Some("application/json; charset=utf-8"),
            body: body.into(),
        }
    }

    /// 200, with nothing.
    pub(crate) fn empty() -> Self {
        Self {
            status: 200,
            media_type: None,
            body: Vec::new(),
        }
    }
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// To be stored, and then answered: with `reply` if there is one, with any 2xx otherwise.
    Delivery {
        /// What to store.
        delivery: Delivery,
        /// What the provider reads once it is stored.
        reply: Option<Reply>,
    },
    /// To be answered and not to be stored: a provider that looks whether somebody is there.
    Question(Reply),
}

impl From<Delivery> for Arrival {
    fn from(delivery: Delivery) -> Self {
        Self::Delivery {
            delivery,
            reply: None,
        }
    }
}

/// `text` where it is short and made of what ids are made of, and otherwise the name of its bytes: keys and ids end up in logs,
/// columns and command lines.
pub(crate) fn plain(text: &str) -> String {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@+=".contains(&byte);
    if (1..=PLAIN_BYTES_MAX).contains(&text.len()) && text.bytes().all(harmless) {
        text.to_owned()
    } else {
        name_of(&[text.as_bytes()])
    }
}

/// A name for bytes that have no other: the same bytes again are the same delivery.
pub(crate) fn name_of(parts: &[&[u8]]) -> String {
    format!("sha256={}", encoding::hex(&fingerprint(parts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ids_are_not_made_of_is_named_by_its_bytes() {
        assert_eq!(plain("T1:C2"), "T1:C2");
        for odd in ["", "a b", "\u{0}", "ключ", &"a".repeat(129)] {
            let name = plain(odd);
            assert!(name.starts_with("sha256="), "{name}");
            assert_eq!(name.len(), 71);
        }
        assert_ne!(plain("a b"), plain("a  b"));
    }

    #[test]
    fn only_what_stops_overtakes() {
        assert_eq!(Urgency::of_button("stop"), Urgency::Now);
        assert_eq!(Urgency::of_button("stop:K7QF"), Urgency::Now);
        for data in ["", "stopwatch", "Stop", "b:stop"] {
            assert_eq!(Urgency::of_button(data), Urgency::InOrder, "{data}");
        }
    }

    #[test]
    fn nothing_overtakes_in_the_catch_all_line() {
        assert_eq!(
            Urgency::Now.line("discord:ops", Some("7")),
            ("now:discord:ops:7".to_owned(), Urgency::Now)
        );
        assert_eq!(
            Urgency::Now.line("discord:ops", None),
            ("in:discord:ops:unknown".to_owned(), Urgency::InOrder)
        );
    }
}
