//! What a forward route does with the answers that come back: of which class they are, what of them is kept, pressed, shared with
//! other origins, and what of a failure is shown.
//!
//! It exists apart from [`super::routes`] because those keys say where a request goes, and these what its answer may do in a
//! browser. What they do while the edge runs is for [`crate::cache`], [`crate::compress`] and [`crate::cors`].

use std::collections::BTreeSet;

use http::HeaderName;
use sallyport_security::cookies::CookieRules;
use sallyport_security::headers::RouteClass;
use serde::Deserialize;
use validator::{Validate, ValidationError};

use super::refuse;

/// What lies behind a forward route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Serves {
    /// Answers for programs.
    #[default]
    Api,
    /// Pages for people: over plain HTTP their readers are sent on to https.
    Pages,
    /// What pages load. The same, and caching headers of the upstream are kept.
    Assets,
}

impl Serves {
    /// Which security headers that asks for.
    pub(crate) fn class(self) -> RouteClass {
        match self {
            Self::Api => RouteClass::Api,
            Self::Pages => RouteClass::Page,
            Self::Assets => RouteClass::Asset,
        }
    }
}

/// What becomes of an answer by which an upstream says that it failed (5xx).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureBody {
    /// It is handed back as it is.
    Pass,
    /// Its status is kept, its body gives way to a problem document of the edge: it may hold a stack trace.
    Replace,
}

/// Who may embed an answer by its address alone (`Cross-Origin-Resource-Policy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Embeddable {
    /// Pages of this very origin.
    #[default]
    SameOrigin,
    /// Pages of this site: the same registrable domain.
    SameSite,
    /// Pages of anybody.
    Anyone,
}

/// Answers that are kept and given to others.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[validate(schema(function = "has_room_for_an_answer"))]
pub struct CacheSettings {
    /// Bytes of memory for everything that this route keeps.
    #[validate(range(
        min = 65_536,
        max = 68_719_476_736_u64,
        message = "must be 65536–68719476736"
    ))]
    pub bytes_max: u64,
    /// Bytes of one answer's body; larger ones pass through and are not kept.
    #[validate(range(min = 1_024, max = 67_108_864, message = "must be 1024–67108864"))]
    pub entry_bytes_max: usize,
    /// Variants of one address, by the fields of `vary`. Beyond, the one least used gives way.
    #[validate(range(min = 1, max = 64, message = "must be 1–64"))]
    pub variants_max: usize,
    /// The names of the query's parameters that tell answers apart; the others are not sent to the upstream. Absent: the whole query.
    #[validate(length(max = 32, message = "must be at most 32"))]
    pub query: Option<Vec<String>>,
    /// The request's fields that tell answers apart. No other field of a client reaches the upstream with a request whose
    /// answer may be kept.
    #[validate(length(max = 8), custom(function = "are_fields_of_a_key"))]
    pub vary: Vec<String>,
    /// What a `Cookie` in the request means.
    pub cookies: CookieUse,
    /// How long a request waits for another that fetches the same.
    #[validate(range(min = 10, max = 60_000, message = "must be 10–60000 ms"))]
    pub wait_ms: u64,
    /// The longest that an answer is fresh, whatever the upstream says.
    #[validate(range(min = 1, max = 31_536_000, message = "must be 1–31536000 s"))]
    pub fresh_seconds_max: u64,
    /// The longest that an answer is shown once it is no longer fresh, whatever the upstream says.
    #[validate(range(max = 31_536_000, message = "must be at most 31536000 s"))]
    pub stale_seconds_max: u64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            bytes_max: 32 * 1024 * 1024,
            entry_bytes_max: 1024 * 1024,
            variants_max: 8,
            query: None,
            vary: Vec::new(),
            cookies: CookieUse::default(),
            wait_ms: 5_000,
            // A day: what was stored by mistake is gone tomorrow also where nobody purges it.
            fresh_seconds_max: 86_400,
            stale_seconds_max: 86_400,
        }
    }
}

/// What a cache makes of requests with cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CookieUse {
    /// Their answers are their own: nothing is kept of them, and nothing kept is given to them.
    #[default]
    Bypass,
    /// Cookies mean nothing here: they are not sent to the upstream.
    Ignore,
}

/// Which other origins' scripts may read the answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct CorsSettings {
    /// The origins, each in full as browsers write it: `https://app.example.org`, with its port unless that is the scheme's own.
    #[validate(length(min = 1, max = 64), custom(function = "are_origins"))]
    pub origins: Vec<String>,
    /// Fields that their requests may have beside those that need no asking.
    #[serde(default)]
    #[validate(length(max = 32), custom(function = "are_field_names"))]
    pub headers: Vec<String>,
    /// Fields of answers that their scripts may read beside those that need no asking.
    #[serde(default)]
    #[validate(length(max = 32), custom(function = "are_field_names"))]
    pub expose: Vec<String>,
    /// Whether cookies may come along.
    #[serde(default)]
    pub credentials: bool,
    /// How long a browser need not ask again.
    #[serde(default = "default_max_age_seconds")]
    #[validate(range(max = 86_400, message = "must be at most 86400 s"))]
    pub max_age_seconds: u32,
}

/// Ten minutes: an origin that is taken off the list is refused soon.
fn default_max_age_seconds() -> u32 {
    600
}

/// Which cookies of the upstream may have less than `HttpOnly` and `SameSite=Lax`, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CookieSettings {
    /// Those that scripts may read.
    pub script_readable: BTreeSet<String>,
    /// Those that other sites' pages may make a browser send.
    pub cross_site: BTreeSet<String>,
}

impl CookieSettings {
    pub(crate) fn rules(&self) -> CookieRules {
        CookieRules {
            script_readable: self.script_readable.clone(),
            cross_site: self.cross_site.clone(),
        }
    }
}

/// Whether this is an origin exactly as a browser serialises it: scheme, host and perhaps a port, all in lower case.
pub(crate) fn is_an_origin(text: &str) -> bool {
    let (rest, own_port) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, "443"),
        (None, Some(rest)) => (rest, "80"),
        (None, None) => return false,
    };
    let (host, port) = match rest.rsplit_once(':') {
        // A colon inside brackets belongs to an IPv6 address.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.[]:".contains(&byte);
    let has_sound_port = port.is_none_or(|port| {
        port != own_port && !port.starts_with('0') && port.parse::<u16>().is_ok()
    });
    !host.is_empty() && host.bytes().all(is_plain) && has_sound_port
}

fn are_origins(origins: &[String]) -> Result<(), ValidationError> {
    match origins.iter().find(|origin| !is_an_origin(origin)) {
        None => Ok(()),
        Some(_) => Err(refuse(
            "origin",
            "each must be like https://app.example.org, in lower case, without a path and without the scheme's own port",
        )),
    }
}

fn are_field_names(names: &[String]) -> Result<(), ValidationError> {
    let is_name = |name: &String| name.parse::<HeaderName>().is_ok();
    match names.iter().all(is_name) {
        true => Ok(()),
        false => Err(refuse("field", "each must be the name of a header field")),
    }
}

/// An answer takes its body, its head and its key.
fn has_room_for_an_answer(cache: &CacheSettings) -> Result<(), ValidationError> {
    let room = usize::try_from(cache.bytes_max).unwrap_or(usize::MAX);
    if room / 2 >= cache.entry_bytes_max {
        return Ok(());
    }
    Err(refuse(
        "no_room",
        "entry_bytes_max must be at most half of bytes_max",
    ))
}

/// Fields that are handled themselves, or would make every request a variant of its own.
const NO_PART_OF_A_KEY: [&str; 8] = [
    "accept-encoding",
    "authorization",
    "cookie",
    "host",
    "origin",
    "range",
    "user-agent",
    "x-forwarded-for",
];

fn are_fields_of_a_key(names: &[String]) -> Result<(), ValidationError> {
    are_field_names(names)?;
    let is_none = |name: &String| NO_PART_OF_A_KEY.contains(&name.to_ascii_lowercase().as_str());
    match names.iter().any(is_none) {
        false => Ok(()),
        true => Err(refuse(
            "vary",
            format!("none may be one of {}", NO_PART_OF_A_KEY.join(", ")),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(settings: serde_json::Value) -> bool {
        let settings: CacheSettings = serde_json::from_value(settings).unwrap();
        settings.validate().is_ok()
    }

    #[test]
    fn a_cache_has_room_and_a_key_of_few_variants() {
        use serde_json::json;

        assert!(cache(json!({})));
        assert!(cache(json!({"vary": ["Accept-Language"], "query": []})));
        assert!(!cache(
            json!({"bytes_max": 65_536, "entry_bytes_max": 65_536})
        ));
        for field in ["user-agent", "Cookie", "x-forwarded-for", "not a field"] {
            assert!(!cache(json!({"vary": [field]})), "{field}");
        }
        assert!(serde_json::from_value::<CacheSettings>(json!({"ttl": 1})).is_err());
    }

    #[test]
    fn an_origin_is_what_a_browser_would_write() {
        for good in [
            "https://app.example.org",
            "http://localhost:3000",
            "https://[2001:db8::1]:8443",
        ] {
            assert!(is_an_origin(good), "{good}");
        }
        for bad in [
            "*",
            "null",
            "app.example.org",
            "https://",
            "https://App.example.org",
            "https://app.example.org/",
            "https://app.example.org:443",
            "http://app.example.org:80",
            "https://app.example.org:0443",
            "https://user@app.example.org",
            "https://*.example.org",
            "ftp://app.example.org",
        ] {
            assert!(!is_an_origin(bad), "{bad}");
        }
    }
}
