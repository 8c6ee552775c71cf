//! What tells one kept answer from another, and which requests have one at all.
//!
//! It exists to hold one sentence: *what is not part of the key does not reach the upstream*. A request whose answer may be kept is
//! handed on with its scheme, host, path, the configured parameters of its query and the configured fields, and with nothing else
//! of its sender's. So nobody can make the upstream write an answer for others that depends on what those did not send.

use std::sync::Arc;

use http::{HeaderName, Method, header};
use pingora::http::RequestHeader;

use crate::settings::{CacheSettings, CookieUse};

/// Bytes of a host, path and query that are still remembered. Longer ones pass through.
const ADDRESS_BYTES_MAX: usize = 2_048;
/// Bytes of the fields that tell variants apart.
const VARIANT_BYTES_MAX: usize = 512;

/// The rules by which keys are made, for one route.
pub(super) struct Keying {
    query: Option<Vec<String>>,
    pub(super) vary: Vec<HeaderName>,
    ignores_cookies: bool,
}

/// An address, whatever its variants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) scheme: &'static str,
    pub(super) host: String,
    pub(super) path: String,
    /// As it is sent to the upstream: with the parameters of the key alone.
    pub(super) query: Option<String>,
}

/// The values of the fields that tell variants apart, one after the other.
pub(super) type Variant = Arc<[u8]>;

/// What an answer is kept under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) address: Arc<Address>,
    pub(super) variant: Variant,
}

impl Address {
    /// What is asked of the upstream.
    pub(super) fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

impl Key {
    /// What it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let Address {
            host, path, query, ..
        } = &*self.address;
        let query = query.as_ref().map_or(0, String::len);
        host.len() + path.len() + query + self.variant.len()
    }
}

impl Keying {
    pub(super) fn new(settings: &CacheSettings) -> Self {
        let names = settings.vary.iter();
        Self {
            query: settings.query.clone(),
            vary: names.filter_map(|name| name.parse().ok()).collect(),
            ignores_cookies: settings.cookies == CookieUse::Ignore,
        }
    }

    /// The key of a request; `None` when its answer is its own: it writes, it names its sender, it asks for a part, it
    /// brings a body, or its address is unreasonably long.
    pub(super) fn of(
        &self,
        request: &RequestHeader,
        scheme: &'static str,
        has_body: bool,
    ) -> Option<Key> {
        let headers = &request.headers;
        let reads = matches!(request.method, Method::GET | Method::HEAD);
        let is_somebodys = headers.contains_key(header::AUTHORIZATION)
            || (headers.contains_key(header::COOKIE) && !self.ignores_cookies);
        let asks_for_more =
            headers.contains_key(header::RANGE) || headers.contains_key(header::UPGRADE);
        if !reads || is_somebodys || asks_for_more || has_body {
            return None;
        }
        let host = match headers.get(header::HOST) {
            Some(host) => host.to_str().ok()?,
            None => request.uri.authority()?.as_str(),
        };
        let query = request.uri.query();
        let length = [host, request.uri.path(), query.unwrap_or_default()];
        if length.iter().map(|part| part.len()).sum::<usize>() > ADDRESS_BYTES_MAX {
            return None;
        }
        Some(Key {
            address: Arc::new(Address {
                scheme,
                host: host.to_ascii_lowercase(),
                path: request.uri.path().to_owned(),
                query: query.and_then(|query| self.keyed(query)),
            }),
            variant: self.variant(request)?,
        })
    }

    /// The part of a query that belongs to the key.
    fn keyed(&self, query: &str) -> Option<String> {
        let Some(names) = &self.query else {
            return Some(query.to_owned());
        };
        let kept: Vec<_> = query
            .split('&')
            .filter(|pair| {
                let name = pair.split('=').next().unwrap_or_default();
                names.iter().any(|known| known == name)
            })
            .collect();
        (!kept.is_empty()).then(|| kept.join("&"))
    }

    fn variant(&self, request: &RequestHeader) -> Option<Variant> {
        let mut bytes = Vec::new();
        for name in &self.vary {
            for value in request.headers.get_all(name) {
                bytes.extend_from_slice(value.as_bytes());
                // No field's value holds these, so no value can pass for two.
                bytes.push(b'\n');
            }
            bytes.push(b'\0');
        }
        (bytes.len() <= VARIANT_BYTES_MAX).then(|| bytes.into())
    }

    /// Whether answers that differ by these names are told apart by the key. What the edge negotiates itself does not count.
    pub(super) fn tells_apart(&self, varies: impl Iterator<Item = String>) -> bool {
        let mut names = varies;
        names.all(|name| {
            let negotiated_here = ["accept-encoding", "origin"];
            negotiated_here.contains(&name.as_str())
                || self.vary.iter().any(|known| known.as_str() == name)
        })
    }

    /// Leaves of a request what its key is made of, and the fields that are `ours`.
    pub(super) fn strip(&self, request: &mut RequestHeader, ours: &[HeaderName]) {
        let stays = |name: &HeaderName| {
            *name == header::HOST || self.vary.contains(name) || ours.contains(name)
        };
        let names = request.headers.keys();
        let foreign: Vec<HeaderName> = names.filter(|name| !stays(name)).cloned().collect();
        for name in &foreign {
            request.remove_header(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keying(settings: serde_json::Value) -> Keying {
        Keying::new(&serde_json::from_value(settings).unwrap())
    }

    fn request(target: &str, fields: &[(&'static str, &'static str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", target.as_bytes(), None).unwrap();
        request.append_header("host", "Edge").unwrap();
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        request
    }

    #[test]
    fn the_query_is_keyed_as_configured() {
        for (query, expected) in [
            (serde_json::json!(null), Some("b=2&a=1&utm=x")),
            (serde_json::json!(["a", "b"]), Some("b=2&a=1")),
            (serde_json::json!([]), None),
        ] {
            let keying = keying(serde_json::json!({"query": query}));

            let key = keying.of(&request("/p?b=2&a=1&utm=x", &[]), "http", false);

            assert_eq!(key.unwrap().address.query.as_deref(), expected);
        }
    }

    #[test]
    fn two_values_never_pass_for_one() {
        let keying = keying(serde_json::json!({"vary": ["accept", "accept-language"]}));
        let variant = |fields: &[_]| {
            let key = keying.of(&request("/", fields), "http", false);
            key.unwrap().variant
        };

        let variants = [
            variant(&[]),
            variant(&[("accept", "a")]),
            variant(&[("accept-language", "a")]),
            variant(&[("accept", "a"), ("accept", "b")]),
            variant(&[("accept", "a"), ("accept-language", "b")]),
            variant(&[("accept", "ab")]),
        ];

        for (number, one) in variants.iter().enumerate() {
            assert!(!variants.iter().skip(number + 1).any(|other| other == one));
        }
    }

    #[test]
    fn what_is_somebodys_own_has_no_key() {
        let keying = keying(serde_json::json!({}));
        let has_key = |fields: &[_]| keying.of(&request("/", fields), "http", false).is_some();

        assert!(has_key(&[("x-forwarded-host", "evil")]));
        for field in ["authorization", "cookie", "range", "upgrade"] {
            assert!(!has_key(&[(field, "x")]), "{field}");
        }
        assert!(keying.of(&request("/", &[]), "http", true).is_none());
        let long = format!("/{}", "x".repeat(ADDRESS_BYTES_MAX));
        assert!(keying.of(&request(&long, &[]), "http", false).is_none());
    }

    #[test]
    fn only_the_key_is_handed_on() {
        let keying = keying(serde_json::json!({"vary": ["accept-language"]}));
        let mut request = request(
            "/",
            &[
                ("accept-language", "de"),
                ("x-host", "evil"),
                ("cookie", "a"),
            ],
        );

        keying.strip(&mut request, &[]);

        let mut left: Vec<_> = request.headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept-language", "host"]);
    }
}
