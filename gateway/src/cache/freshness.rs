//! For how long an answer may be given to others, by what its headers say (RFC 9111, RFC 5861).
//!
//! It exists to be the one place where "may this be shared?" is decided, and to say no in doubt: without an explicit lifetime, with
//! anything that belongs to one person, with anything that cannot be read. It guesses no lifetime and believes no client.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;

/// For how long an answer is good, from the moment at which it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// How old it was when it arrived.
    pub(super) age: Duration,
    /// How long it is fresh, counted from its beginning.
    pub(super) fresh: Duration,
    /// How much longer it may be shown while another is fetched.
    pub(super) while_revalidating: Duration,
    /// How much longer it may be shown while none can be had.
    pub(super) if_error: Duration,
}

/// The most that any upstream is granted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) fresh: Duration,
    pub(super) stale: Duration,
}

/// What `Cache-Control` says, as far as it matters to a cache that many share.
#[derive(Debug, Default)]
struct Directives {
    is_one_persons: bool,
    must_revalidate: bool,
    max_age: Option<Duration>,
    shared_max_age: Option<Duration>,
    while_revalidating: Option<Duration>,
    if_error: Option<Duration>,
}

impl Terms {
    /// The terms of an answer; `None` when it must not be kept. Which requests may have such an answer at all is not asked here.
    pub(super) fn of(
        status: StatusCode,
        headers: &HeaderMap,
        bounds: Bounds,
        now: Timestamp,
    ) -> Option<Self> {
        // Errors, parts and what depends on the method are not worth the risk. These three mean the same to everybody.
        let is_lasting = matches!(
            status,
            StatusCode::OK | StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT
        );
        let is_someones = headers.contains_key(header::SET_COOKIE)
            || headers.contains_key(header::WWW_AUTHENTICATE)
            || headers.contains_key(header::CONTENT_RANGE)
            // The edge asks for none; whoever compresses all the same is passed through.
            || headers.contains_key(header::CONTENT_ENCODING);
        if !is_lasting || is_someones {
            return None;
        }
        let directives = Directives::of(headers)?;
        if directives.is_one_persons {
            return None;
        }
        let fresh = directives.lifetime(headers, now)?.min(bounds.fresh);
        let age = age(headers, now)?;
        if age >= fresh {
            return None;
        }
        let granted = |wanted: Option<Duration>| match directives.must_revalidate {
            true => Duration::ZERO,
            false => wanted.unwrap_or_default().min(bounds.stale),
        };
        Some(Self {
            age,
            fresh,
            while_revalidating: granted(directives.while_revalidating),
            if_error: granted(directives.if_error),
        })
    }
}

impl Directives {
    /// Nothing when a part of it cannot be read: half understood is not understood.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut directives = Self::default();
        for value in headers.get_all(header::CACHE_CONTROL) {
            for part in split_list(value.to_str().ok()?)? {
                directives.read(part)?;
            }
        }
        Some(directives)
    }

    fn read(&mut self, part: &str) -> Option<()> {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim().trim_matches('"');
        // Of two lifetimes the shorter one counts.
        let shorten = |known: &mut Option<Duration>| {
            let said = seconds(value)?;
            *known = Some(known.map_or(said, |known| known.min(said)));
            Some(())
        };
        match name.trim().to_ascii_lowercase().as_str() {
            // With the names of fields `private` and `no-cache` mean less. Here they mean as much as without.
            "no-store" | "private" | "no-cache" => self.is_one_persons = true,
            "must-revalidate" | "proxy-revalidate" => self.must_revalidate = true,
            "max-age" => shorten(&mut self.max_age)?,
            "s-maxage" => shorten(&mut self.shared_max_age)?,
            "stale-while-revalidate" => shorten(&mut self.while_revalidating)?,
            "stale-if-error" => shorten(&mut self.if_error)?,
            _ => {}
        }
        Some(())
    }

    fn lifetime(&self, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
        if let Some(said) = self.shared_max_age.or(self.max_age) {
            return Some(said);
        }
        let expires = date(only(headers, header::EXPIRES)?)?;
        let sent = match headers.get(header::DATE) {
            Some(value) => date(value)?,
            None => now,
        };
        Duration::try_from(expires.duration_since(sent)).ok()
    }
}

/// How old an answer says it is, or looks by its date: whichever is more.
fn age(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let said = match headers.get(header::AGE) {
        Some(value) => seconds(value.to_str().ok()?)?,
        None => Duration::ZERO,
    };
    let dated = headers.get(header::DATE).and_then(date);
    // A date in the future makes it no younger than new.
    let looks = dated.map(|sent| Duration::try_from(now.duration_since(sent)).unwrap_or_default());
    Some(said.max(looks.unwrap_or_default()))
}

/// Delta-seconds; more digits than a number has mean a very long time.
fn seconds(text: &str) -> Option<Duration> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // RFC 9111, 1.2.2: what is too large counts as 2^31.
    let most = 1_u64 << 31;
    Some(Duration::from_secs(
        text.parse().map_or(most, |seconds: u64| seconds.min(most)),
    ))
}

/// A date in HTTP's preferred form. The two older ones have not been written by anybody for decades, and count as unreadable.
pub(super) fn date(value: &HeaderValue) -> Option<Timestamp> {
    let text = value.to_str().ok()?;
    if !text.ends_with(" GMT") {
        return None;
    }
    jiff::fmt::rfc2822::parse(text)
        .ok()
        .map(|zoned| zoned.timestamp())
}

fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// The members of a list; commas inside quotes divide nothing. Nothing when a quote stays open.
pub(super) fn split_list(text: &str) -> Option<Vec<&str>> {
    let mut is_quoted = false;
    let parts: Vec<_> = text
        .split(|char| {
            is_quoted ^= char == '"';
            char == ',' && !is_quoted
        })
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    (!is_quoted).then_some(parts)
}

#[cfg(test)]
mod tests;
