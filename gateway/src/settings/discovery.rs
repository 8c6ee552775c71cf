//! Where a group's upstreams are found: behind a name, or in the endpoints of a Kubernetes service.
//!
//! It exists apart from the groups because who finds upstreams knows nothing of what is done with them. Asking is for
//! [`crate::upstreams`].

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::{Host, Url};
use validator::{Validate, ValidationError};

use super::refuse;

/// Where Kubernetes puts what a pod needs to speak to the API server.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

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

/// A service of a Kubernetes cluster, whose endpoints the API server tells.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct KubernetesSettings {
    /// Its name.
    #[validate(custom(function = "is_a_label"))]
    pub service: String,
    /// The namespace that it is in; absent: the edge's own.
    #[validate(custom(function = "is_a_label"))]
    pub namespace: Option<String>,
    /// The name that the port has in the service, or the port's number at the pods.
    #[validate(custom(function = "is_a_port"))]
    pub port: EndpointPort,
    /// Where the API server is, as in `https://10.96.0.1:443`; absent: where the cluster tells its pods that it is.
    /// `http` is for a proxy on this machine, such as `kubectl proxy`, which gets no token.
    #[validate(custom(function = "is_an_api_server"))]
    pub api_server: Option<Url>,
    /// The token of the edge's service account. It is read again for every question, since it is exchanged every hour.
    #[serde(default = "default_token_file")]
    pub token_file: PathBuf,
    /// The authorities, in PEM, one of which has signed the API server's certificate.
    #[serde(default = "default_ca_file")]
    pub ca_file: PathBuf,
}

fn default_token_file() -> PathBuf {
    Path::new(SERVICE_ACCOUNT).join("token")
}

fn default_ca_file() -> PathBuf {
    Path::new(SERVICE_ACCOUNT).join("ca.crt")
}

/// One of the ports of a service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "must be the name of a port, or its number from 1 to 65535"
)]
pub enum EndpointPort {
    /// By its number at the pods, which may differ from the service's.
    Number(NonZeroU16),
    /// By its name.
    Name(String),
}

impl KubernetesSettings {
    /// The file that holds the namespace of the edge's own pod.
    pub fn namespace_file() -> PathBuf {
        Path::new(SERVICE_ACCOUNT).join("namespace")
    }

    /// Where the API server is that a pod is told of by the variables `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`;
    /// nothing if they make no sense.
    pub fn api_server_at(host: &str, port: &str) -> Option<Url> {
        let port: NonZeroU16 = port.parse().ok()?;
        let host = match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            Ok(IpAddr::V4(_)) | Err(_) => host.to_owned(),
        };
        let url = Url::parse(&format!("https://{host}:{port}")).ok()?;
        is_an_api_server(&url).is_ok().then_some(url)
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

/// What Kubernetes takes for the names of services, namespaces and ports (RFC 1123, in lower case).
fn is_a_label(label: &str) -> Result<(), ValidationError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_inside = !label.starts_with('-') && !label.ends_with('-');
    if (1..=63).contains(&label.len()) && label.bytes().all(plain) && is_inside {
        return Ok(());
    }
    Err(refuse(
        "label",
        "must be 1–63 small letters, digits and hyphens, as Kubernetes has it",
    ))
}

fn is_a_port(port: &EndpointPort) -> Result<(), ValidationError> {
    match port {
        EndpointPort::Name(name) => is_a_label(name),
        EndpointPort::Number(_) => Ok(()),
    }
}

fn is_an_api_server(url: &Url) -> Result<(), ValidationError> {
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    };
    let is_sealed = match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_here,
        _ => false,
    };
    let is_bare = url.username().is_empty() && url.password().is_none();
    if is_sealed && is_bare && url.query().is_none() && url.fragment().is_none() {
        return Ok(());
    }
    Err(refuse(
        "api_server",
        "must be like https://10.96.0.1:443, or http to an address of this machine",
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dns(value: serde_json::Value) -> DnsSettings {
        serde_json::from_value(value).unwrap()
    }

    fn kubernetes(more: serde_json::Value) -> Result<KubernetesSettings, String> {
        let mut value = json!({"service": "api", "port": "http"});
        let fields = more.as_object().unwrap().clone();
        value.as_object_mut().unwrap().extend(fields);
        let settings: KubernetesSettings =
            serde_json::from_value(value).map_err(|error| error.to_string())?;
        settings.validate().map_err(|errors| errors.to_string())?;
        Ok(settings)
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

    #[test]
    fn a_port_has_a_name_or_a_number() {
        let port = |port| kubernetes(json!({"port": port})).map(|settings| settings.port);

        assert_eq!(port(json!("http")), Ok(EndpointPort::Name("http".into())));
        let number = NonZeroU16::new(8080).unwrap();
        assert_eq!(port(json!(8080)), Ok(EndpointPort::Number(number)));
        for wrong in [json!(0), json!(70_000), json!("HTTP"), json!("")] {
            assert!(port(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_travels_over_tls_alone() {
        let at = |url: &str| kubernetes(json!({"api_server": url}));

        for good in ["https://10.96.0.1:443", "https://k8s.test/clusters/one"] {
            assert!(at(good).is_ok(), "{good}");
        }
        assert!(at("http://127.0.0.1:8001").is_ok());
        assert!(at("http://[::1]:8001").is_ok());
        for bad in [
            "http://10.96.0.1",
            "http://localhost:8001",
            "https://a:b@k8s.test",
            "https://k8s.test?a=b",
            "ftp://k8s.test",
        ] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pod_is_told_where_the_api_server_is() {
        let at = |host, port| {
            KubernetesSettings::api_server_at(host, port).map(|url| String::from(url.as_str()))
        };

        let v4 = at("10.96.0.1", "443");
        assert_eq!(v4.as_deref(), Some("https://10.96.0.1/"));
        let v6 = at("fd00::1", "6443");
        assert_eq!(v6.as_deref(), Some("https://[fd00::1]:6443/"));
        assert_eq!(at("10.96.0.1", "https"), None);
        assert_eq!(at("", "443"), None);
    }
}
