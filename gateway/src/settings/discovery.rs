//! Where a group's upstreams are found: behind a name.
//!
//! It exists apart from the groups because who finds upstreams knows nothing of what is done with them. Asking is for
//! [`crate::upstreams`].

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use validator::{Validate, ValidationError};

use super::refuse;

/// A name that is looked up again and again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "can_be_asked"))]
pub struct DnsSettings {
    /// The name and the port of all addresses behind it, as in `api.internal:8081`. Or the name of SRV records, which say the ports
    /// themselves, as in `_http._tcp.api.internal`.
    #[validate(custom(function = "is_a_dns_name"))]
    pub name: String,
    /// How often it is looked up, or more often if the name server says that its answer is not good for so long. A failed lookup
    /// leaves the addresses of the last good one.
    #[serde(default = "default_dns_every_ms")]
    #[validate(range(min = 100, max = 3_600_000, message = "must be 100–3600000 ms"))]
    pub every_ms: u64,
    /// How often at most, whatever the name server says.
    #[serde(default = "default_dns_every_min_ms")]
    #[validate(range(min = 100, max = 3_600_000, message = "must be 100–3600000 ms"))]
    pub every_min_ms: u64,
    /// The name server that is asked, over UDP, and over TCP for what does not fit; absent: as this machine looks names up, its
    /// hosts file included.
    pub server: Option<SocketAddr>,
}

fn default_dns_every_ms() -> u64 {
    10_000
}

/// Many names of services are good for no time at all.
fn default_dns_every_min_ms() -> u64 {
    1_000
}

/// What a name is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DnsQuestion<'s> {
    /// Its addresses, all of them with this port.
    Addresses(&'s str, u16),
    /// Its SRV records.
    Services(&'s str),
}

impl DnsSettings {
    /// What is asked.
    pub(crate) fn question(&self) -> Option<DnsQuestion<'_>> {
        match self.name.rsplit_once(':') {
            Some((name, port)) => Some(DnsQuestion::Addresses(name, port.parse().ok()?)),
            None => Some(DnsQuestion::Services(&self.name)),
        }
    }

    /// How long after an answer the next question is asked, if the answer is good for so long.
    pub(crate) fn next_after(&self, good_for: Option<Duration>) -> Duration {
        let longest = Duration::from_millis(self.every_ms);
        let shortest = Duration::from_millis(self.every_min_ms).min(longest);
        good_for.unwrap_or(longest).clamp(shortest, longest)
    }
}

fn is_a_plain_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=63).contains(&label.len()) && label.bytes().all(plain)
}

fn is_a_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 253 && name.split('.').all(is_a_plain_label)
}

fn is_a_dns_name(name: &str) -> Result<(), ValidationError> {
    let sound = match name.rsplit_once(':') {
        Some((host, port)) => {
            is_a_host_name(host) && port.parse::<u16>().is_ok_and(|port| port > 0)
        }
        None => name.starts_with('_') && name.contains("._") && is_a_host_name(name),
    };
    if sound {
        return Ok(());
    }
    Err(refuse(
        "dns_name",
        "must be a name and a port, as in api.internal:8081, or the name of SRV records, as in _http._tcp.api.internal",
    ))
}

/// The machine's resolver tells addresses alone.
fn can_be_asked(dns: &DnsSettings) -> Result<(), ValidationError> {
    let asks_for_services = matches!(dns.question(), Some(DnsQuestion::Services(_)));
    if asks_for_services && dns.server.is_none() {
        return Err(refuse(
            "server",
            "SRV records need server: the name server that is asked for them",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dns(value: serde_json::Value) -> DnsSettings {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_next_lookup_comes_when_the_answer_is_no_longer_good_within_bounds() {
        let settings = dns(json!({"name": "a.test:1", "every_ms": 10_000, "every_min_ms": 500}));
        let after = |good_for| settings.next_after(good_for).as_millis();

        assert_eq!(after(None), 10_000, "the machine's resolver does not say");
        assert_eq!(after(Some(Duration::ZERO)), 500);
        assert_eq!(after(Some(Duration::from_secs(5))), 5_000);
        assert_eq!(after(Some(Duration::from_secs(600))), 10_000);
        let often = dns(json!({"name": "a.test:1", "every_ms": 100}));
        assert_eq!(often.next_after(Some(Duration::ZERO)).as_millis(), 100);
        assert!(often.validate().is_ok());
    }

    #[test]
    fn srv_records_are_asked_of_a_name_server_alone() {
        let name = "_http._tcp.api.test";
        let server = json!({"name": name, "server": "127.0.0.1:53"});

        assert!(dns(server.clone()).validate().is_ok());
        assert_eq!(
            dns(server).question(),
            Some(DnsQuestion::Services("_http._tcp.api.test"))
        );
        assert!(dns(json!({"name": name})).validate().is_err());
        assert!(dns(json!({"name": "api.test"})).validate().is_err());
    }
}
