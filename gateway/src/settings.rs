//! What an operator can set at the edge: doors, limits, routes.
//!
//! It exists so that every number of the edge stands in one place with its reason. Values are checked here, all at once,
//! each with its key; reading files and environment is for the binary.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use sallyport_security::addresses::Network;
use sallyport_security::inspection::InspectionSettings;
use serde::Deserialize;
use validator::{Validate, ValidationError};

use crate::listeners::TlsProfile;

mod accept;
mod acme;
mod addresses;
mod answers;
mod certificates;
mod client_certificates;
mod discovery;
mod limits;
mod openapi;
mod routes;
mod shedding;
mod upstreams;

pub use accept::{AcceptSettings, BotSettings};
pub use acme::{AcmeChallenge, AcmeSettings};
pub use addresses::{AddressSettings, Denied, DenyFileError};
pub use answers::{
    CacheSettings, CookieSettings, CookieUse, CorsSettings, Embeddable, FailureBody, Serves,
};
pub use certificates::CertificateSettings;
pub use client_certificates::{AuthoritiesError, ClientCertificateSettings};
pub(crate) use discovery::DnsQuestion;
pub use discovery::{DnsSettings, EndpointPort, KubernetesSettings};
pub use limits::{Dimension, LimitSettings, RateSettings};
pub use openapi::{OpenApiMode, OpenApiSettings};
pub(crate) use routes::NAME_ENDS;
pub use routes::{ForwardSettings, HealthPage, RouteSettings};
pub use shedding::{Importance, SheddingSettings, TargetSettings};
pub(crate) use upstreams::MEMBERS_MAX;
pub use upstreams::{
    CircuitSettings, EjectionSettings, HealthCheckSettings, RetrySettings, UpstreamSettings,
};

/// Routes are tried one after the other.
const ROUTES_MAX: usize = 256;
/// Where a browser looks when a URL names no port.
const HTTPS_PORT: u16 = 443;

/// The edge's settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[validate(
    schema(function = "some_door_is_open"),
    schema(function = "has_certificate_files"),
    schema(function = "has_doors_for_the_authority"),
    schema(function = "has_tls_to_redirect_to"),
    schema(function = "has_tls_to_ask_for_certificates"),
    schema(function = "has_somebody_to_introduce_clients"),
    schema(function = "has_distinct_routes"),
    schema(function = "limits::fit_their_routes"),
    schema(function = "upstreams::are_known"),
    schema(function = "addresses::have_names")
)]
pub struct Settings {
    /// Where plain HTTP is served; absent means nowhere.
    pub http: Option<SocketAddr>,
    /// Where TLS is served; absent means nowhere.
    pub tls: Option<SocketAddr>,
    /// Which versions and suites of TLS are spoken.
    pub tls_profile: TlsProfile,
    /// The certificate for clients that ask for no name or an unknown one. Without files: the first of `certificates`, and without
    /// those the development certificate that whoever starts the edge makes.
    #[validate(nested)]
    pub certificate: CertificateSettings,
    /// Further certificates, by the names that they are for.
    #[validate(nested)]
    pub certificates: Vec<CertificateSettings>,
    /// An authority that gives certificates.
    #[validate(nested)]
    pub acme: AcmeSettings,
    /// Limits on connections and on what one may cost before its request is known.
    #[validate(nested)]
    pub connections: ConnectionSettings,
    /// Limits by peer address, for requests nobody has vouched for.
    #[validate(nested)]
    pub strangers: StrangerSettings,
    /// What plain HTTP is good for.
    pub http_serves: HttpService,
    /// Where the world finds the TLS door, for those who are sent there.
    #[validate(range(min = 1, message = "must be 1–65535"))]
    pub https_port: u16,
    /// Networks of our own load balancers and callers: their `traceparent` is continued, and what they say about their clients is
    /// believed. Anybody else's is not.
    #[validate(length(max = 64))]
    pub trusted_peers: Vec<Network>,
    /// From where nothing is taken, and names for networks.
    #[validate(nested)]
    pub addresses: AddressSettings,
    /// Limits that routes may ask for, by name.
    #[validate(nested)]
    pub limits: BTreeMap<String, LimitSettings>,
    /// Upstreams that do the same, in groups that routes hand on to, by name.
    #[validate(nested)]
    pub upstreams: BTreeMap<String, UpstreamSettings>,
    /// When the less important is turned away, because the house is slow.
    #[validate(nested)]
    pub shedding: SheddingSettings,
    /// How many proxies of our own a request passes, each of which adds the address that it saw to `X-Forwarded-For`. Needed where
    /// their addresses are not known, so that `trusted_peers` holds more than them; absent: all trusted ones are passed over.
    pub trusted_hops: Option<NonZeroU8>,
    /// Doors on which each connection begins with a header of the PROXY protocol (1 or 2), from trusted peers alone.
    pub proxy_protocol: Vec<Door>,
    /// How requests are inspected on routes that say nothing else.
    #[validate(nested)]
    pub inspection: InspectionSettings,
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
            tls_profile: TlsProfile::default(),
            certificate: CertificateSettings::default(),
            certificates: Vec::new(),
            acme: AcmeSettings::default(),
            connections: ConnectionSettings::default(),
            strangers: StrangerSettings::default(),
            http_serves: HttpService::default(),
            https_port: HTTPS_PORT,
            trusted_peers: Vec::new(),
            addresses: AddressSettings::default(),
            limits: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            shedding: SheddingSettings::default(),
            trusted_hops: None,
            proxy_protocol: Vec::new(),
            inspection: InspectionSettings::default(),
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

    /// The files of authorities that routes name, to be read into them.
    pub fn client_certificates(&mut self) -> impl Iterator<Item = &mut ClientCertificateSettings> {
        let routes = self.routes.iter_mut();
        routes.filter_map(|route| route.client_certificate.as_mut())
    }

    /// The documents that routes name, to be read into them.
    pub fn openapi_documents(&mut self) -> impl Iterator<Item = &mut OpenApiSettings> {
        let forwards = self
            .routes
            .iter_mut()
            .filter_map(|route| route.forward.as_mut());
        forwards.filter_map(|forward| forward.openapi.as_mut())
    }

    /// The services of a Kubernetes cluster that groups of upstreams are found by, to be completed with what a pod is told of its
    /// cluster.
    pub fn services_of_the_cluster(
        &mut self,
    ) -> impl Iterator<Item = (&str, &mut KubernetesSettings)> {
        let groups = self.upstreams.iter_mut();
        groups.filter_map(|(name, group)| Some((name.as_str(), group.kubernetes.as_mut()?)))
    }

    /// Whether the development certificate is all that is shown.
    pub fn shows_development_certificate(&self) -> bool {
        let is_given = self.configured_certificates().next().is_some() || self.acme.is_on();
        self.tls.is_some() && !is_given
    }

    /// The certificates that are configured as files, the default one first. None: the development certificate.
    pub fn configured_certificates(&self) -> impl Iterator<Item = &CertificateSettings> {
        let default = self.certificate.files().map(|_| &self.certificate);
        default.into_iter().chain(&self.certificates)
    }
}

/// A door of the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// The one of plain HTTP.
    Http,
    /// The one of TLS.
    Tls,
}

/// What is served without TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpService {
    /// Everything: the door is on this machine, or behind something that does TLS.
    #[default]
    Everything,
    /// Nothing: the door faces the world. Readers of pages are sent on to https, everything else is refused.
    Redirects,
}

/// What a connection may cost before we know what it wants.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionSettings {
    /// Open connections in total. An idle one costs a file descriptor and, over TLS, about 15 KiB (HTTP/2: 49); where a quarter of the files would not be left for
    /// everything else, fewer are open, and the log says so.
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
    /// How long a body may take before its pace matters.
    #[validate(range(min = 100, max = 60_000, message = "must be 100–60000 ms"))]
    pub body_grace_ms: u64,
    /// Bytes a second that a body must bring after that, on average: each byte buys time. 0: only its deadline counts.
    #[validate(range(max = 1_048_576, message = "must be at most 1048576"))]
    pub body_bytes_per_second_min: u32,
    /// How long a connection may wait for its next request.
    #[validate(range(min = 100, max = 3_600_000, message = "must be 100–3600000 ms"))]
    pub idle_ms: u64,
    /// How long a client may take nothing of an answer, or of a piece of one on HTTP/2, before the connection is closed.
    #[validate(range(min = 50, max = 60_000, message = "must be 50–60000 ms"))]
    pub write_deadline_ms: u64,
    /// Requests at a time on one HTTP/2 connection.
    #[validate(range(min = 1, max = 1_000, message = "must be 1–1000"))]
    pub streams_max: u32,
    /// Frames in a second on one HTTP/2 connection that carry nothing: settings, pings, resets, window updates beyond what was sent,
    /// empty data. Whoever sends more is told to be calm, and its connection ended.
    #[validate(range(min = 10, max = 100_000, message = "must be 10–100000"))]
    pub control_frames_per_second_max: u32,
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            total_max: 4_096,
            per_address_max: 512,
            handshake_deadline_ms: 5_000,
            head_deadline_ms: 8_000,
            head_bytes_max: 32 * 1024,
            head_fields_max: 100,
            body_grace_ms: 5_000,
            body_bytes_per_second_min: 500,
            idle_ms: 75_000,
            write_deadline_ms: 8_000,
            streams_max: 100,
            control_frames_per_second_max: 500,
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

fn some_door_is_open(settings: &Settings) -> Result<(), ValidationError> {
    if settings.http.is_some() || settings.tls.is_some() {
        return Ok(());
    }
    Err(ValidationError::new("no_door").with_message("either http or tls must be set".into()))
}

fn has_doors_for_the_authority(settings: &Settings) -> Result<(), ValidationError> {
    let needs_http = settings.acme.challenge == AcmeChallenge::Http01;
    let has_doors = settings.tls.is_some() && (settings.http.is_some() || !needs_http);
    if !settings.acme.is_on() || has_doors {
        return Ok(());
    }
    let message = "acme needs the door tls, and for http_01 the door http";
    Err(ValidationError::new("no_doors").with_message(message.into()))
}

fn has_tls_to_redirect_to(settings: &Settings) -> Result<(), ValidationError> {
    if settings.http_serves == HttpService::Everything || settings.tls.is_some() {
        return Ok(());
    }
    let message = "http_serves: redirects needs a door to send to: tls must be set";
    Err(ValidationError::new("no_tls").with_message(message.into()))
}

fn has_tls_to_ask_for_certificates(settings: &Settings) -> Result<(), ValidationError> {
    let mut asking = settings.routes.iter();
    let asking = asking.find(|route| route.client_certificate.is_some());
    match asking.filter(|_| settings.tls.is_none()) {
        Some(route) => {
            let path = &route.path;
            let message = format!(
                "client_certificate of {path} needs a door to be shown at: tls must be set"
            );
            Err(refuse("no_tls", message))
        }
        None => Ok(()),
    }
}

fn has_somebody_to_introduce_clients(settings: &Settings) -> Result<(), ValidationError> {
    if settings.proxy_protocol.is_empty() || !settings.trusted_peers.is_empty() {
        return Ok(());
    }
    let message = "proxy_protocol needs trusted_peers, or every connection would be refused";
    Err(ValidationError::new("no_peers").with_message(message.into()))
}

fn has_certificate_files(settings: &Settings) -> Result<(), ValidationError> {
    certificates::have_files(&settings.certificates)
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
