//! The security headers that every answer of the house carries, and those that none may carry.
//!
//! They exist as two closed lists so that one table test can hold them against every route, status and protocol.
//! The values follow the OWASP Secure Headers list; where ASVS 5 asks for more (`base-uri 'none'`), the stricter one
//! stands. Setting them on an answer is for the edge.

use http::{HeaderName, HeaderValue, header};

/// What kind of answer a route gives, which decides how much a browser may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteClass {
    /// JSON and other answers for programs: a browser may do nothing with them.
    Api,
    /// Web pages of our own: they may load what comes from this very origin.
    Page,
    /// What pages load: pictures, scripts, styles, fonts. Opened by itself it may do nothing, as an SVG otherwise could.
    Asset,
}

/// Powerful features of browsers; no page of ours asks for any of them.
const PERMISSIONS: &str = "accelerometer=(), ambient-light-sensor=(), autoplay=(), battery=(), \
camera=(), clipboard-read=(), clipboard-write=(), cross-origin-isolated=(), display-capture=(), \
document-domain=(), encrypted-media=(), execution-while-not-rendered=(), \
execution-while-out-of-viewport=(), fullscreen=(), gamepad=(), geolocation=(), gyroscope=(), hid=(), \
idle-detection=(), interest-cohort=(), keyboard-map=(), magnetometer=(), microphone=(), midi=(), \
navigation-override=(), payment=(), picture-in-picture=(), publickey-credentials-get=(), \
screen-wake-lock=(), serial=(), speaker-selection=(), sync-xhr=(), unload=(), usb=(), web-share=(), \
xr-spatial-tracking=()";

const API_POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE_POLICY: &str = "default-src 'self'; form-action 'self'; base-uri 'none'; \
object-src 'none'; frame-ancestors 'none'; upgrade-insecure-requests";

/// How many headers every answer carries.
const COUNT: usize = 13;

static API: [(HeaderName, HeaderValue); COUNT] = list(API_POLICY);
static PAGE: [(HeaderName, HeaderValue); COUNT] = list(PAGE_POLICY);

/// The headers that an answer of this class must carry, whatever its status. They replace what an upstream set.
pub fn response_headers(class: RouteClass) -> &'static [(HeaderName, HeaderValue)] {
    match class {
        RouteClass::Api | RouteClass::Asset => &API,
        RouteClass::Page => &PAGE,
    }
}

const fn list(content_security_policy: &'static str) -> [(HeaderName, HeaderValue); COUNT] {
    [
        // Two years: what the preload lists ask for.
        (
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=63072000; includeSubDomains"),
        ),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("deny")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(content_security_policy),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        (
            HeaderName::from_static("permissions-policy"),
            HeaderValue::from_static(PERMISSIONS),
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (
            HeaderName::from_static("cross-origin-embedder-policy"),
            HeaderValue::from_static("require-corp"),
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (
            HeaderName::from_static("x-permitted-cross-domain-policies"),
            HeaderValue::from_static("none"),
        ),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store, max-age=0"),
        ),
        (
            header::X_DNS_PREFETCH_CONTROL,
            HeaderValue::from_static("off"),
        ),
        // The auditor it once switched on could itself be abused; 0 turns it off where it still exists.
        (header::X_XSS_PROTECTION, HeaderValue::from_static("0")),
    ]
}

/// Headers of an upstream that tell strangers what runs behind the edge: removed by exact name.
pub static REMOVED: [HeaderName; 12] = [
    header::SERVER,
    HeaderName::from_static("x-powered-by"),
    HeaderName::from_static("x-aspnet-version"),
    HeaderName::from_static("x-generator"),
    HeaderName::from_static("x-runtime"),
    HeaderName::from_static("x-version"),
    HeaderName::from_static("x-served-by"),
    HeaderName::from_static("x-backend-server"),
    HeaderName::from_static("x-real-server"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
];

/// Families of such headers, by the start of their names.
pub const REMOVED_PREFIXES: [&str; 4] = ["x-b3-", "x-envoy-", "x-datadog-", "x-amz-"];

/// Whether a header of an upstream's answer must not reach the outside.
pub fn must_be_removed(name: &HeaderName) -> bool {
    REMOVED.contains(name)
        || REMOVED_PREFIXES
            .iter()
            .any(|prefix| name.as_str().starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_header_stands_twice_in_a_list() {
        for class in [RouteClass::Api, RouteClass::Page, RouteClass::Asset] {
            let mut names: Vec<_> = response_headers(class)
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), COUNT);
        }
    }

    #[test]
    fn a_programs_answer_lets_a_browser_do_nothing() {
        let policy = response_headers(RouteClass::Api)
            .iter()
            .find(|(name, _)| name == header::CONTENT_SECURITY_POLICY)
            .map(|(_, value)| value.to_str().unwrap());

        assert_eq!(policy, Some(API_POLICY));
    }

    #[test]
    fn traces_of_what_runs_behind_are_removed() {
        for name in ["server", "x-b3-traceid", "x-envoy-upstream", "traceparent"] {
            assert!(must_be_removed(&HeaderName::from_static(name)), "{name}");
        }
        assert!(!must_be_removed(&header::CONTENT_TYPE));
    }
}
