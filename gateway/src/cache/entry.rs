//! One kept answer: its head without what belongs to a connection or a person, its body, and how old it is.
//!
//! It exists so that whatever is handed out again was looked through once, when it was taken in. Everybody who asks for it gets
//! the same bytes; what differs from asker to asker (security headers, ids, limits, origins) is put on when it is sent.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sallyport_security::headers::must_be_removed;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::freshness::{Terms, date, split_list};
use crate::compress::Coding;
use crate::cors;

/// Fields that belong to one connection or one moment.
const PASSING: [HeaderName; 11] = [
    header::AGE,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::DATE,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("cache-status"),
    HeaderName::from_static("keep-alive"),
];
/// How much of a digest is enough to tell two bodies apart.
const ETAG_BYTES: usize = 16;

/// A kept answer.
pub(super) struct Entry {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    etag: HeaderValue,
    arrived: Instant,
    terms: Terms,
    /// The body in other codings, made when first asked for; `None` inside where that saves nothing.
    forms: [OnceCell<Option<Bytes>>; Coding::ALL.len()],
}

/// What an answer is still good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// For everybody.
    Fresh,
    /// For everybody, while another is fetched.
    Revalidating,
    /// For when none can be had.
    OnError,
    /// For nothing.
    Gone,
}

/// The part of a head that may be kept.
pub(super) fn lasting(headers: &HeaderMap) -> HeaderMap {
    let mut named: Vec<String> = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        let names = value.to_str().unwrap_or_default().split(',');
        named.extend(names.map(|name| name.trim().to_ascii_lowercase()));
    }
    let lasts = |name: &HeaderName| {
        !PASSING.contains(name)
            && !must_be_removed(name)
            && !name.as_str().starts_with(cors::FROM_UPSTREAMS)
            && !named.iter().any(|known| known == name.as_str())
    };
    let kept = headers.iter().filter(|(name, _)| lasts(name));
    let mut lasting = HeaderMap::new();
    for (name, value) in kept {
        lasting.append(name, value.clone());
    }
    lasting
}

impl Entry {
    /// An answer that has just arrived, whose head was [`lasting`]. One without a validator gets one: the digest of its body.
    pub(super) fn new(
        status: StatusCode,
        mut headers: HeaderMap,
        body: Bytes,
        terms: Terms,
    ) -> Self {
        let given = headers.get(header::ETAG).filter(|etag| is_etag(etag));
        let etag = given.cloned().unwrap_or_else(|| etag_of(&body));
        headers.insert(header::ETAG, etag.clone());
        Self {
            status,
            headers,
            body,
            etag,
            arrived: Instant::now(),
            terms,
            forms: Default::default(),
        }
    }

    /// How old it is at a moment, its way here included.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.arrived)
            .saturating_add(self.terms.age)
    }

    /// What it is good for at a moment.
    pub(super) fn standing(&self, now: Instant) -> Standing {
        let Terms {
            fresh,
            while_revalidating,
            if_error,
            ..
        } = self.terms;
        let stale = self.age(now).saturating_sub(fresh);
        if self.age(now) < fresh {
            Standing::Fresh
        } else if stale < while_revalidating {
            Standing::Revalidating
        } else if stale < if_error {
            Standing::OnError
        } else {
            Standing::Gone
        }
    }

    /// Whether it may be shown when none can be had.
    pub(super) fn stands_in(&self, now: Instant) -> bool {
        let stale = self.age(now).saturating_sub(self.terms.fresh);
        stale < self.terms.if_error || self.age(now) < self.terms.fresh
    }

    /// Seconds for which it stays fresh; below zero for how long it has not been.
    pub(super) fn ttl(&self, now: Instant) -> i64 {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        seconds(self.terms.fresh).saturating_sub(seconds(self.age(now)))
    }

    /// Whether whoever asks has it already (RFC 9110, 13.2.2).
    pub(super) fn is_known_to(&self, request: &HeaderMap) -> bool {
        let mut tags = request.get_all(header::IF_NONE_MATCH).iter().peekable();
        if tags.peek().is_some() {
            let known = opaque(&self.etag);
            return tags
                .filter_map(|value| split_list(value.to_str().ok()?))
                .flatten()
                .any(|tag| tag == "*" || opaque_text(tag) == known);
        }
        let since = request.get(header::IF_MODIFIED_SINCE).and_then(date);
        let modified = self.headers.get(header::LAST_MODIFIED).and_then(date);
        matches!((modified, since), (Some(modified), Some(since)) if modified <= since)
    }

    /// The body in a coding, and how many bytes that has added to this entry. Made once, on a thread for such work.
    pub(super) async fn form(&self, coding: Coding) -> (Option<Bytes>, usize) {
        let Some(cell) = self.forms.get(coding as usize) else {
            return (None, 0);
        };
        let mut added = 0;
        let form = cell
            .get_or_init(|| async {
                let body = self.body.clone();
                let pressed = tokio::task::spawn_blocking(move || coding.press(&body)).await;
                let pressed = pressed.ok().flatten();
                added = pressed.as_ref().map_or(0, Bytes::len);
                pressed
            })
            .await
            .clone();
        (form, added)
    }

    /// What it takes of the memory that there is for such.
    pub(super) fn bytes(&self) -> usize {
        let head: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len().saturating_add(value.len()))
            .sum();
        head.saturating_add(self.body.len())
    }
}

/// `"…"` or `W/"…"`, and nothing inside that would end it early.
fn is_etag(value: &HeaderValue) -> bool {
    let opaque = opaque(value);
    opaque.len() >= 2
        && opaque.starts_with('"')
        && opaque.ends_with('"')
        && opaque.matches('"').count() == 2
}

fn opaque(value: &HeaderValue) -> &str {
    opaque_text(value.to_str().unwrap_or_default())
}

fn opaque_text(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn etag_of(body: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(body);
    let mut text = String::from("\"");
    for byte in digest.iter().take(ETAG_BYTES) {
        text.push_str(&format!("{byte:02x}"));
    }
    text.push('"');
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

#[cfg(test)]
impl Entry {
    /// Some body, fresh for an hour.
    pub(super) fn of_bytes(body: Vec<u8>) -> Self {
        let terms = Terms {
            age: Duration::ZERO,
            fresh: Duration::from_secs(3_600),
            while_revalidating: Duration::from_secs(60),
            if_error: Duration::from_secs(600),
        };
        Self::new(StatusCode::OK, HeaderMap::new(), body.into(), terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn it_is_fresh_then_stale_then_gone() {
        let entry = Entry::of_bytes(Vec::new());
        let after = |seconds| entry.standing(entry.arrived + Duration::from_secs(seconds));

        assert_eq!(after(3_599), Standing::Fresh);
        assert_eq!(after(3_600), Standing::Revalidating);
        assert_eq!(after(3_660), Standing::OnError);
        assert_eq!(after(4_200), Standing::Gone);
        assert_eq!(entry.ttl(entry.arrived + Duration::from_secs(3_610)), -10);
    }

    #[test]
    fn who_has_it_is_recognised_by_weak_comparison() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, HeaderValue::from_static("W/\"a,b\""));
        headers.insert(
            header::LAST_MODIFIED,
            HeaderValue::from_static("Sat, 21 Nov 2026 21:00:00 GMT"),
        );
        let some = Entry::of_bytes(Vec::new());
        let entry = Entry::new(StatusCode::OK, headers, Bytes::new(), some.terms);

        for known in ["*", "\"a,b\"", "\"x\", W/\"a,b\""] {
            assert!(
                entry.is_known_to(&asking(header::IF_NONE_MATCH, known)),
                "{known}"
            );
        }
        for unknown in ["\"a\"", "a,b", "", "\"a,b"] {
            assert!(
                !entry.is_known_to(&asking(header::IF_NONE_MATCH, unknown)),
                "{unknown}"
            );
        }
        let since = |date| entry.is_known_to(&asking(header::IF_MODIFIED_SINCE, date));
        assert!(since("Sat, 21 Nov 2026 21:00:00 GMT"));
        assert!(!since("Sat, 21 Nov 2026 20:59:59 GMT"));
        assert!(!since("soon"));
    }

    #[test]
    fn a_body_without_a_validator_gets_one_of_its_own() {
        let (one, same, other) = (
            Entry::of_bytes(b"a".to_vec()),
            Entry::of_bytes(b"a".to_vec()),
            Entry::of_bytes(b"b".to_vec()),
        );

        assert_eq!(one.etag, same.etag);
        assert_ne!(one.etag, other.etag);
        assert_eq!(one.headers.get(header::ETAG), Some(&one.etag));
    }

    #[test]
    fn what_belongs_to_a_connection_or_tells_too_much_is_not_kept() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "x-hop, close"),
            ("x-hop", "1"),
            ("server", "tea"),
            ("access-control-allow-origin", "*"),
            ("transfer-encoding", "chunked"),
            ("age", "4"),
            ("link", "</a>"),
            ("link", "</b>"),
        ] {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }

        let kept = lasting(&headers);

        assert_eq!(
            kept.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["link"]
        );
        assert_eq!(kept.get_all("link").iter().count(), 2);
    }
}
