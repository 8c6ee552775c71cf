//! What a cookie must look like before a browser is asked to keep it.
//!
//! It exists because a cookie is set by whatever program stands behind, and one forgotten attribute hands a session to every
//! script or to every neighbour on plain HTTP. A `Set-Cookie` is taken apart by the rules of RFC 6265bis and written anew from what
//! is known; whatever else stood in it is left out. Whose answers are treated so is for the edge. Nothing here keeps or
//! tells a cookie's value.

use std::collections::BTreeSet;

/// Characters of a cookie's name that may be told.
const TOLD_CHARS_MAX: usize = 64;

/// Which cookies may have less than the rest. A cookie is known by its exact name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CookieRules {
    /// Those that scripts of our pages may read: they need not be `HttpOnly`.
    pub script_readable: BTreeSet<String>,
    /// Those that other sites' pages may make a browser send: they may say `SameSite=None`.
    pub cross_site: BTreeSet<String>,
}

/// A cookie that must not be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cookie {name} is not set: {why}")]
pub struct Unfit {
    /// What it is called, as far as its name can be told.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// A cookie as it was sent.
#[derive(Default)]
struct Sent<'c> {
    name: &'c str,
    value: &'c str,
    path: Option<&'c str>,
    domain: Option<&'c str>,
    max_age: Option<&'c str>,
    expires: Option<&'c str>,
    same_site: Option<&'c str>,
    is_secure: bool,
    is_http_only: bool,
    is_partitioned: bool,
}

impl CookieRules {
    /// The value of a `Set-Cookie` as it may go out: always `Secure`; `HttpOnly` unless scripts may read it; `SameSite=Lax` where it
    /// said nothing, nonsense or a `None` that it may not say.
    ///
    /// # Errors
    /// When it breaks the promise of its own prefix, or cannot be read in one way. A browser would refuse most of these, too.
    pub fn harden(&self, set_cookie: &[u8]) -> Result<String, Unfit> {
        let sent = Sent::read(set_cookie)?;
        sent.keeps_its_prefix()
            .map_err(|why| unfit(sent.name, why))?;
        let mut hardened = format!("{}={}", sent.name, sent.value);
        let attributes = [
            ("Path", sent.path),
            ("Domain", sent.domain),
            ("Max-Age", sent.max_age),
            ("Expires", sent.expires),
        ];
        for (name, value) in attributes {
            if let Some(value) = value {
                hardened.push_str(&format!("; {name}={value}"));
            }
        }
        hardened.push_str("; Secure");
        if sent.is_http_only || !self.script_readable.contains(sent.name) {
            hardened.push_str("; HttpOnly");
        }
        hardened.push_str("; SameSite=");
        hardened.push_str(self.same_site(&sent));
        if sent.is_partitioned {
            hardened.push_str("; Partitioned");
        }
        Ok(hardened)
    }

    fn same_site(&self, sent: &Sent<'_>) -> &'static str {
        match sent.same_site {
            Some(value) if value.eq_ignore_ascii_case("strict") => "Strict",
            Some(value)
                if value.eq_ignore_ascii_case("none") && self.cross_site.contains(sent.name) =>
            {
                "None"
            }
            Some(_) | None => "Lax",
        }
    }
}

impl<'c> Sent<'c> {
    fn read(set_cookie: &'c [u8]) -> Result<Self, Unfit> {
        let is_plain = |byte: &u8| (b' '..=b'~').contains(byte);
        let text = std::str::from_utf8(set_cookie)
            .ok()
            .filter(|text| text.as_bytes().iter().all(is_plain))
            .ok_or_else(|| unfit("", "it has bytes that are not plain ASCII"))?;
        let mut parts = text.split(';');
        let pair = parts.next().unwrap_or_default();
        let (name, value) = pair
            .split_once('=')
            .map(|(name, value)| (name.trim(), value.trim()))
            .ok_or_else(|| unfit("", "it has no name"))?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(unfit(name, "its name is not one"));
        }
        let mut sent = Self {
            name,
            value,
            ..Self::default()
        };
        for part in parts {
            sent.attribute(part).map_err(|why| unfit(sent.name, why))?;
        }
        Ok(sent)
    }

    /// Of an attribute that stands twice the last one counts, as in browsers.
    fn attribute(&mut self, part: &'c str) -> Result<(), &'static str> {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (name.trim(), value.trim());
        match name.to_ascii_lowercase().as_str() {
            // A path that is none means the one of the request.
            "path" => self.path = value.starts_with('/').then_some(value),
            "domain" => {
                let domain = value.strip_prefix('.').unwrap_or(value);
                if domain.is_empty() || !domain.bytes().all(is_host) {
                    return Err("its Domain is no host's name");
                }
                self.domain = Some(domain);
            }
            "max-age" => {
                let digits = value.strip_prefix('-').unwrap_or(value);
                let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                self.max_age = is_number.then_some(value);
            }
            "expires" => self.expires = Some(value),
            "samesite" => self.same_site = Some(value),
            "secure" => self.is_secure = true,
            "httponly" => self.is_http_only = true,
            "partitioned" => self.is_partitioned = true,
            _ => {}
        }
        Ok(())
    }

    /// What a prefix of the name promises, in whatever case it is written.
    fn keeps_its_prefix(&self) -> Result<(), &'static str> {
        let name = self.name.to_ascii_lowercase();
        let is_host = name.starts_with("__host-");
        let is_http = name.starts_with("__http-") || name.starts_with("__host-http-");
        let is_secure = name.starts_with("__secure-");
        if (is_host || is_http || is_secure) && !self.is_secure {
            return Err("its prefix promises Secure");
        }
        if is_http && !self.is_http_only {
            return Err("its prefix promises HttpOnly");
        }
        if is_host && (self.domain.is_some() || self.path != Some("/")) {
            return Err("its prefix promises Path=/ and no Domain");
        }
        Ok(())
    }
}

/// The characters of a token (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.".contains(&byte)
}

fn unfit(name: &str, why: &'static str) -> Unfit {
    let told: String = name
        .chars()
        .filter(|char| u8::try_from(*char).is_ok_and(is_token))
        .take(TOLD_CHARS_MAX)
        .collect();
    let name = if told.is_empty() {
        "(unnamed)".to_owned()
    } else {
        told
    };
    Unfit { name, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harden(set_cookie: &str) -> Result<String, Unfit> {
        let rules = CookieRules {
            script_readable: BTreeSet::from(["theme".to_owned()]),
            cross_site: BTreeSet::from(["widget".to_owned()]),
        };
        rules.harden(set_cookie.as_bytes())
    }

    #[test]
    fn what_is_missing_is_added_and_what_is_unknown_left_out() {
        for (sent, expected) in [
            ("a=1", "a=1; Secure; HttpOnly; SameSite=Lax"),
            (
                "a=1; path=/x; max-age=60; secure; samesite=strict; Surprise=yes",
                "a=1; Path=/x; Max-Age=60; Secure; HttpOnly; SameSite=Strict",
            ),
            ("a=1; SameSite=None", "a=1; Secure; HttpOnly; SameSite=Lax"),
            (
                "widget=1; SameSite=none; Partitioned",
                "widget=1; Secure; HttpOnly; SameSite=None; Partitioned",
            ),
            ("theme=dark", "theme=dark; Secure; SameSite=Lax"),
            (
                "theme=dark; HttpOnly",
                "theme=dark; Secure; HttpOnly; SameSite=Lax",
            ),
            (
                "a=b=c; Domain=.example.org; Expires=Wed, 09 Jun 2027 10:18:14 GMT",
                "a=b=c; Domain=example.org; Expires=Wed, 09 Jun 2027 10:18:14 GMT; Secure; HttpOnly; SameSite=Lax",
            ),
        ] {
            assert_eq!(harden(sent).as_deref(), Ok(expected), "{sent}");
        }
    }

    #[test]
    fn a_prefix_that_is_kept_passes_and_one_that_is_broken_does_not() {
        assert!(harden("__Host-id=1; Path=/; Secure").is_ok());
        assert!(harden("__Secure-id=1; Secure; Domain=example.org").is_ok());
        for broken in [
            "__Secure-id=1",
            "__secure-id=1",
            "__Host-id=1; Path=/",
            "__Host-id=1; Secure",
            "__Host-id=1; Secure; Path=/x",
            "__HOST-id=1; Secure; Path=/; Domain=example.org",
            "__Http-id=1; Secure",
            "__Host-Http-id=1; Secure; Path=/",
        ] {
            assert!(harden(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn nonsense_is_dropped_and_its_value_is_not_told() {
        for sent in [
            "the-secret",
            "=the-secret",
            "a b=the-secret",
            "a=the-secret; Domain=evil/..",
            "a=the-secret\u{e9}",
            "a=the-secret\tx",
        ] {
            let told = harden(sent).unwrap_err().to_string();

            assert!(!told.contains("the-secret"), "{told}");
        }
    }
}
