//! May this be answered without TLS?
//!
//! Only a door to the world asks. Pages send their reader on to the same address under https. Everything else is refused, because a
//! program that was sent on would go on sending its secrets in the clear, first, every time (ASVS 4.1.2).

use http::{Method, header};

use super::Asked;
use crate::refusal::Refusal;
use crate::routes::Route;
use crate::settings::{HttpService, Settings};

/// The port that URLs leave out.
const HTTPS_PORT: u16 = 443;

/// What plain HTTP is good for here.
pub(crate) struct Plain {
    service: HttpService,
    /// Where the world finds the TLS door.
    https_port: u16,
}

impl Plain {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            service: settings.http_serves,
            https_port: settings.https_port,
        }
    }

    /// Where the request has to go instead; `None` when it can be answered here.
    ///
    /// # Errors
    /// When it has to come over TLS, and nobody sends it there.
    pub(crate) fn check(
        &self,
        asked: &Asked<'_>,
        scheme: &str,
        route: &Route,
    ) -> Result<Option<String>, Refusal> {
        if scheme == "https" || self.service == HttpService::Everything {
            return Ok(None);
        }
        let reads = matches!(*asked.method(), Method::GET | Method::HEAD);
        if !(reads && route.is_page()) {
            return Err(Refusal::PlainHttp);
        }
        self.https(asked).map(Some).ok_or(Refusal::PlainHttp)
    }

    /// The same address under https.
    fn https(&self, asked: &Asked<'_>) -> Option<String> {
        let host = asked.headers().get(header::HOST)?.to_str().ok()?;
        let host = without_port(host);
        let target = asked.head.uri.path_and_query()?;
        Some(match self.https_port {
            HTTPS_PORT => format!("https://{host}{target}"),
            port => format!("https://{host}:{port}{target}"),
        })
    }
}

/// A colon inside brackets belongs to an IPv6 address.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::without_port;

    #[test]
    fn a_port_is_left_out_and_an_address_is_not() {
        for (host, expected) in [
            ("example.org", "example.org"),
            ("example.org:8080", "example.org"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("[2001:db8::1]:80", "[2001:db8::1]"),
            ("[2001:db8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(without_port(host), expected);
        }
    }
}
