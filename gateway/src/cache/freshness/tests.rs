//! What may be kept, and for how long.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;

use super::{Bounds, Terms};

const BOUNDS: Bounds = Bounds {
    fresh: Duration::from_secs(1_000),
    stale: Duration::from_secs(100),
};

fn now() -> Timestamp {
    "2026-11-21T22:00:00Z".parse().unwrap()
}

fn with(fields: &[(&'static str, &'static str)]) -> Option<Terms> {
    let fields = fields.iter().map(|(name, value)| {
        let name = HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    });
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, value);
    }
    Terms::of(StatusCode::OK, &headers, BOUNDS, now())
}

fn fresh(cache_control: &'static str) -> Option<u64> {
    with(&[("cache-control", cache_control)]).map(|terms| terms.fresh.as_secs())
}

#[test]
fn an_explicit_lifetime_is_kept_and_the_shared_one_comes_first() {
    assert_eq!(fresh("max-age=60"), Some(60));
    assert_eq!(fresh("public, max-age=60, s-maxage=30"), Some(30));
    assert_eq!(fresh("Max-Age=\"60\""), Some(60));
    assert_eq!(fresh("max-age=60, max-age=10"), Some(10));
    assert_eq!(fresh("max-age=99999999999999999999"), Some(1_000));
    let expires = ("expires", "Sat, 21 Nov 2026 22:01:00 GMT");
    assert_eq!(with(&[expires]).unwrap().fresh.as_secs(), 60);
}

#[test]
fn what_says_nothing_or_belongs_to_somebody_is_not_kept() {
    for said in [
        "",
        "public",
        "no-store, max-age=60",
        "private, max-age=60",
        "private=\"x-user, y\", max-age=60",
        "no-cache, max-age=60",
        "max-age=0",
        "s-maxage=0, max-age=60",
        "max-age=soon",
        "max-age=-1",
        "max-age=60, private=\"open",
    ] {
        assert_eq!(fresh(said), None, "{said}");
    }
    let lasting = ("cache-control", "max-age=60");
    for other in [
        ("set-cookie", "a=1"),
        ("content-range", "bytes 0-1/2"),
        ("content-encoding", "gzip"),
        ("www-authenticate", "Basic"),
        ("age", "60"),
        ("age", "old"),
        ("date", "Sat, 21 Nov 2026 21:58:00 GMT"),
    ] {
        assert_eq!(with(&[lasting, other]), None, "{other:?}");
    }
    for expires in ["0", "Sat, 21 Nov 2026 21:00:00 GMT", "2026-11-21"] {
        assert_eq!(with(&[("expires", expires)]), None, "{expires}");
    }
}

#[test]
fn errors_and_parts_are_not_kept() {
    let mut headers = HeaderMap::new();
    headers.insert("cache-control", HeaderValue::from_static("max-age=60"));
    for status in [206, 301, 302, 304, 400, 401, 404, 410, 500, 503] {
        let status = StatusCode::from_u16(status).unwrap();
        let is_kept = Terms::of(status, &headers, BOUNDS, now()).is_some();
        assert_eq!(is_kept, status == StatusCode::MOVED_PERMANENTLY, "{status}");
    }
}

#[test]
fn what_is_stale_is_granted_within_bounds_and_not_against_the_upstreams_word() {
    let stale = |said| {
        let terms = with(&[("cache-control", said)]).unwrap();
        (terms.while_revalidating.as_secs(), terms.if_error.as_secs())
    };

    assert_eq!(stale("max-age=60"), (0, 0));
    assert_eq!(
        stale("s-maxage=60, stale-while-revalidate=30, stale-if-error=600"),
        (30, 100)
    );
    assert_eq!(
        stale("max-age=60, stale-while-revalidate=30, must-revalidate"),
        (0, 0)
    );
}

#[test]
fn the_way_here_counts_as_age() {
    let terms = with(&[("cache-control", "max-age=60"), ("age", "20")]).unwrap();
    assert_eq!(terms.age.as_secs(), 20);
    let dated = ("date", "Sat, 21 Nov 2026 21:59:30 GMT");
    let terms = with(&[("cache-control", "max-age=60"), ("age", "20"), dated]).unwrap();
    assert_eq!(terms.age.as_secs(), 30);
}
