//! What an operator can set at the edge: doors, limits, routes.
//!
//! It exists so that every number of the edge stands in one place with its reason. Values are checked here, all at once,
//! each with its key; reading files and environment is for the binary.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sallyport_security::addresses::Network;
use serde::Deserialize;
use validator::{Validate, ValidationError};

mod addresses;
mod limits;
mod routes;

pub use addresses::{AddressSettings, Denied, DenyFileError};
pub use limits::{Dimension, LimitSettings, RateSettings};
pub use routes::{AcceptSettings, BotSettings, ForwardSettings, HealthPage, RouteSettings, Source};

/// Routes are tried one after the other.
const ROUTES_MAX: usize = 256;
/// Each has a series of its own.
const LIMITS_MAX: usize = 64;
/// Limits that every edge has; what they are called in headers and metrics belongs to them.
const OWN_LIMITS: [&str; 4] = ["address", "failures", "bot", "route"];

/// The edge's settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[validate(
    schema(function = "some_door_is_open"),
    schema(function = "has_distinct_routes"),
    schema(function = "limits_fit_their_routes"),
    schema(function = "networks_have_names")
)]
pub struct Settings {
    /// Where plain HTTP is served; absent means nowhere.
    pub http: Option<SocketAddr>,
    /// Where TLS is served; absent means nowhere.
    pub tls: Option<SocketAddr>,
    /// The certificate for TLS, as files that whoever starts the edge reads.
    #[validate(nested)]
    pub certificate: CertificateSettings,
    /// Limits on connections and on what one may cost before its request is known.
    #[validate(nested)]
    pub connections: ConnectionSettings,
    /// Limits by peer address, for requests nobody has vouched for.
    #[validate(nested)]
    pub strangers: StrangerSettings,
    /// Networks of our own load balancers and callers: their `traceparent` is continued. Anybody else's is not.
    #[validate(length(max = 64))]
    pub trusted_peers: Vec<Network>,
    /// From where nothing is taken, and names for networks.
    #[validate(nested)]
    pub addresses: AddressSettings,
    /// Limits that routes may ask for, by name.
    #[validate(nested)]
    pub limits: BTreeMap<String, LimitSettings>,
    /// How long a stop waits for requests in flight.
    #[validate(range(min = 100, max = 600_000, message = "must be 100–600000 ms"))]
    pub drain_deadline_ms: u64,
    /// Which requests go where, tried from the top.
    #[validate(nested)]
    pub routes: Vec<RouteSettings>,
}

/// Port 8080 and 8443 on this machine alone: a door to the world is opened on purpose.
impl Default for Settings {
    fn default() -> Self {
        Self {
            http: Some(SocketAddr::from(([127, 0, 0, 1], 8080))),
            tls: Some(SocketAddr::from(([127, 0, 0, 1], 8443))),
            certificate: CertificateSettings::default(),
            connections: ConnectionSettings::default(),
            strangers: StrangerSettings::default(),
            trusted_peers: Vec::new(),
            addresses: AddressSettings::default(),
            limits: BTreeMap::new(),
            drain_deadline_ms: 10_000,
            routes: Vec::new(),
        }
    }
}

impl Settings {
    /// How long a stop waits for requests in flight.
    pub fn drain_deadline(&self) -> Duration {
        Duration::from_millis(self.drain_deadline_ms)
    }
}

/// Where the certificate lies. Both empty: the development certificate that the start makes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[validate(schema(function = "both_or_none"))]
pub struct CertificateSettings {
    /// PEM file with the certificate and those that vouch for it.
    pub chain_file: PathBuf,
    /// PEM file with its private key.
    pub key_file: PathBuf,
}

impl CertificateSettings {
    /// The two files, when they are set.
    pub fn files(&self) -> Option<(&Path, &Path)> {
        let set = !self.chain_file.as_os_str().is_empty();
        set.then_some((self.chain_file.as_path(), self.key_file.as_path()))
    }
}

/// What a connection may cost before we know what it wants.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionSettings {
    /// Open connections in total. One costs about 20 KiB and a file descriptor.
    #[validate(range(min = 1, max = 1_000_000, message = "must be 1–1000000"))]
    pub total_max: usize,
    /// Open connections of one peer address (IPv6: of one /64). Telegram opens at most 100 per bot, from few addresses.
    #[validate(range(min = 1, max = 1_000_000, message = "must be 1–1000000"))]
    pub per_address_max: usize,
    /// From the TCP connection to the end of the TLS handshake.
    #[validate(range(min = 50, max = 60_000, message = "must be 50–60000 ms"))]
    pub handshake_deadline_ms: u64,
    /// From a request's first byte (on a new connection: from its start) to the end of its head.
    #[validate(range(min = 50, max = 60_000, message = "must be 50–60000 ms"))]
    pub head_deadline_ms: u64,
    /// Bytes of a head: request line and all fields.
    #[validate(range(min = 1_024, max = 262_144, message = "must be 1024–262144"))]
    pub head_bytes_max: usize,
    /// Fields of a head.
    #[validate(range(min = 8, max = 200, message = "must be 8–200"))]
    pub head_fields_max: usize,
    /// How long a connection may wait for its next request.
    #[validate(range(min = 100, max = 3_600_000, message = "must be 100–3600000 ms"))]
    pub idle_ms: u64,
    /// Requests at a time on one HTTP/2 connection.
    #[validate(range(min = 1, max = 1_000, message = "must be 1–1000"))]
    pub streams_max: u32,
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            total_max: 4_096,
            per_address_max: 512,
            handshake_deadline_ms: 5_000,
            head_deadline_ms: 10_000,
            head_bytes_max: 32 * 1024,
            head_fields_max: 100,
            idle_ms: 75_000,
            streams_max: 100,
        }
    }
}

/// Limits by peer address. Verified requests never count here, or one neighbour could mute a bot.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct StrangerSettings {
    /// Refused requests of one address: beyond that it reads 429 in place of the reason.
    #[validate(nested)]
    pub failures: RateSettings,
    /// Requests of one address to routes that verify nothing themselves.
    #[validate(nested)]
    pub unverified: RateSettings,
    /// Addresses remembered per limit; one costs about 40 bytes. Beyond, newcomers share buckets.
    #[validate(range(min = 16, max = 10_000_000, message = "must be 16–10000000"))]
    pub addresses_max: usize,
}

impl Default for StrangerSettings {
    fn default() -> Self {
        Self {
            failures: RateSettings::bucket(600, 60),
            unverified: RateSettings::bucket(6_000, 60),
            addresses_max: 65_536,
        }
    }
}

fn refuse(code: &'static str, message: impl Into<String>) -> ValidationError {
    ValidationError::new(code).with_message(message.into().into())
}

fn limits_fit_their_routes(settings: &Settings) -> Result<(), ValidationError> {
    let limits = &settings.limits;
    if limits.len() > LIMITS_MAX {
        let message = format!("limits must be at most {LIMITS_MAX}");
        return Err(refuse("limits", message));
    }
    for name in limits.keys() {
        routes::is_a_name(name).map_err(|_| {
            refuse(
                "limits",
                format!("limits: {name:?} must be 1–32 of a–z, 0–9, '-' and '_'"),
            )
        })?;
        if OWN_LIMITS.contains(&name.as_str()) {
            let message = format!("limits: {name} is the name of a limit that every edge has");
            return Err(refuse("limits", message));
        }
    }
    for route in &settings.routes {
        let path = &route.path;
        for name in &route.limits {
            let limit = limits.get(name).ok_or_else(|| {
                refuse(
                    "limits",
                    format!(
                        "the route {path} asks for the limit {name:?}, which limits does not have"
                    ),
                )
            })?;
            if let Some(dimension) = limit.unknown_on(route.accept.is_some()) {
                let message = format!(
                    "the route {path} asks for the limit {name}, but nobody knows the {} of a request there",
                    dimension.name()
                );
                return Err(refuse("limits", message));
            }
        }
    }
    Ok(())
}

fn networks_have_names(settings: &Settings) -> Result<(), ValidationError> {
    for route in &settings.routes {
        let unknown = |name: &&String| crate::networks::listed(&settings.addresses, name).is_none();
        if let Some(name) = route.from.iter().find(unknown) {
            let path = &route.path;
            let message = format!(
                "the route {path} is open to {name:?}, which addresses.lists does not have"
            );
            return Err(refuse("from", message));
        }
    }
    Ok(())
}

fn both_or_none(files: &CertificateSettings) -> Result<(), ValidationError> {
    if files.chain_file.as_os_str().is_empty() == files.key_file.as_os_str().is_empty() {
        return Ok(());
    }
    let message = "chain_file and key_file must both be set or both be empty";
    Err(ValidationError::new("half_a_certificate").with_message(message.into()))
}

fn some_door_is_open(settings: &Settings) -> Result<(), ValidationError> {
    if settings.http.is_some() || settings.tls.is_some() {
        return Ok(());
    }
    Err(ValidationError::new("no_door").with_message("either http or tls must be set".into()))
}

fn has_distinct_routes(settings: &Settings) -> Result<(), ValidationError> {
    let refuse = |message: String| Err(ValidationError::new("routes").with_message(message.into()));
    if settings.routes.len() > ROUTES_MAX {
        return refuse(format!("routes must be at most {ROUTES_MAX}"));
    }
    let mut seen = HashSet::new();
    match settings
        .routes
        .iter()
        .find(|route| !seen.insert(route.path.as_str()))
    {
        Some(route) => refuse(format!("routes has {} twice", route.path)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
