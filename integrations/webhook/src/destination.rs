//! A URL that somebody entered, as far as it can be judged without asking anybody.
//!
//! Readers of URLs forgive: `http:/127.1`, `https://0x7f000001`, a tab in the middle and a fullwidth digit all mean something to one
//! of them. Whatever two readers could read in two ways is a way around a check, so here a host has one spelling, the one that the
//! URL standard would write, and everything else is refused with that spelling. What a name leads to is judged when it is called.

use std::net::IpAddr;

use thiserror::Error;
use url::{Host, Url};

use crate::Settings;
use crate::address::{Forbidden, Reach};

/// Bytes of a URL: more than any service asks for, and it fits a chat.
pub const URL_BYTES_MAX: usize = 2_048;

/// Where webhooks are sent to. It prints its host alone: path and query often hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination(Url);

/// Why a URL is not taken, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidDestination {
    /// It is too long.
    #[error("the URL is longer than {URL_BYTES_MAX} bytes; enter a shorter one")]
    TooLong,
    /// There are characters in it that readers of URLs treat differently.
    #[error(
        "the URL has blanks, backslashes or characters beyond ASCII in it; write them in percents, and an international domain as xn--…"
    )]
    Characters,
    /// It begins with something else.
    #[error("the URL must begin with {}", if *.http_too { "https:// or http://" } else { "https://" })]
    Scheme {
        /// Whether the operator allows `http://`.
        http_too: bool,
    },
    /// There is no host in it, or nothing that a URL can have.
    #[error("this is no URL with a host, such as https://example.com/hook")]
    NotAUrl,
    /// A user or a password.
    #[error("the URL has a user or a password before an @; leave them out, what we send is signed")]
    UserInfo,
    /// A fragment, which is never sent.
    #[error("the URL has a # in it, and what follows is never sent; leave it out")]
    Fragment,
    /// The host could be written more plainly.
    #[error("the host must be written in its usual form: {usual}")]
    Spelling {
        /// How.
        usual: String,
    },
    /// A port that is not on the list.
    #[error("port {port} may not be called, only {}", listed(.allowed))]
    Port {
        /// The one that was entered.
        port: u16,
        /// The ones that may be.
        allowed: Vec<u16>,
    },
    /// The host is an address that must not be called.
    #[error("the host is an address that is not of the public internet ({block}); enter one that is", block = .0.block)]
    Address(Forbidden),
}

impl Destination {
    /// Reads what somebody entered. Nothing is looked up.
    ///
    /// # Errors
    /// See [`InvalidDestination`]; each says what to do.
    pub(crate) fn read(
        text: &str,
        settings: &Settings,
        reach: &Reach,
    ) -> Result<Self, InvalidDestination> {
        let text = text.trim();
        if text.len() > URL_BYTES_MAX {
            return Err(InvalidDestination::TooLong);
        }
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        {
            return Err(InvalidDestination::Characters);
        }
        let written = host_as_written(authority(text, settings.allow_http)?)?;
        if text.contains('#') {
            return Err(InvalidDestination::Fragment);
        }
        let url = Url::parse(text).map_err(|_| InvalidDestination::NotAUrl)?;
        let destination = Self(url);
        destination.is_spelled(written)?;
        destination.has_a_port_of(&settings.ports)?;
        destination
            .is_within(reach)
            .map_err(InvalidDestination::Address)?;
        Ok(destination)
    }

    /// The host, for people and for spans.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// A host that is an address is asked by nobody else: it needs no lookup.
    pub(crate) fn is_within(&self, reach: &Reach) -> Result<(), Forbidden> {
        let address: IpAddr = match self.0.host() {
            Some(Host::Ipv4(v4)) => v4.into(),
            Some(Host::Ipv6(v6)) => v6.into(),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        reach.judge(address).map(|_| ())
    }

    fn is_spelled(&self, written: &str) -> Result<(), InvalidDestination> {
        let usual = match self.0.host() {
            // A mapped address is the address that is mapped.
            Some(Host::Ipv6(v6)) => match v6.to_ipv4_mapped() {
                Some(v4) => v4.to_string(),
                None => self.host().to_owned(),
            },
            Some(Host::Domain(name)) => name.trim_end_matches('.').to_owned(),
            Some(Host::Ipv4(_)) | None => self.host().to_owned(),
        };
        if usual.is_empty() {
            return Err(InvalidDestination::NotAUrl);
        }
        if written.eq_ignore_ascii_case(&usual) {
            Ok(())
        } else {
            Err(InvalidDestination::Spelling { usual })
        }
    }

    fn has_a_port_of(&self, allowed: &[u16]) -> Result<(), InvalidDestination> {
        match self.0.port_or_known_default() {
            Some(port) if allowed.contains(&port) => Ok(()),
            port => Err(InvalidDestination::Port {
                port: port.unwrap_or_default(),
                allowed: allowed.to_vec(),
            }),
        }
    }
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Destination({})", self.host())
    }
}

/// What stands between the scheme and the path.
fn authority(text: &str, http_too: bool) -> Result<&str, InvalidDestination> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or(InvalidDestination::Scheme { http_too })?;
    let is_allowed =
        scheme.eq_ignore_ascii_case("https") || (http_too && scheme.eq_ignore_ascii_case("http"));
    if !is_allowed {
        return Err(InvalidDestination::Scheme { http_too });
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(InvalidDestination::UserInfo);
    }
    Ok(authority)
}

/// The host as it was entered, with the brackets of an IPv6 address.
fn host_as_written(authority: &str) -> Result<&str, InvalidDestination> {
    let end = match authority.find(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let host = authority.get(..end).unwrap_or_default();
    let rest = authority.get(end..).unwrap_or_default();
    if host.is_empty() || !(rest.is_empty() || rest.starts_with(':')) {
        return Err(InvalidDestination::NotAUrl);
    }
    Ok(host)
}

fn listed(ports: &[u16]) -> String {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    ports.join(", ")
}

#[cfg(test)]
mod tests;
