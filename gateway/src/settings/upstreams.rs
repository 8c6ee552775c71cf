//! Groups of upstreams: when one is not asked, and how often a request is sent again.
//!
//! It exists apart from the routes because several of them may hand on to the same group. Where upstreams are found is
//! for [`super::discovery`], what the numbers do for [`crate::upstreams`].

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;
use validator::{Validate, ValidationError};

use super::{DnsSettings, KubernetesSettings, Settings, refuse, routes};

/// Each has series of its own.
const GROUPS_MAX: usize = 64;
/// Upstreams of one group: all of them are looked at for every request. Of an answer with more, the first so many are taken.
pub(crate) const MEMBERS_MAX: usize = 64;

/// Upstreams that do the same, so that any of them may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "is_found_one_way"))]
pub struct UpstreamSettings {
    /// Where they are.
    #[serde(default)]
    pub addresses: Vec<SocketAddr>,
    /// Or the name that they have.
    #[validate(nested)]
    pub dns: Option<DnsSettings>,
    /// Or the service of a Kubernetes cluster that they are behind.
    #[validate(nested)]
    pub kubernetes: Option<KubernetesSettings>,
    /// How it is found out whether one works; absent: by what becomes of requests alone.
    #[validate(nested)]
    pub health: Option<HealthCheckSettings>,
    /// Statuses by which one says that it fails; they count like a connection that breaks.
    #[serde(default = "default_failing_statuses")]
    #[validate(custom(function = "are_server_errors"))]
    pub failing_statuses: Vec<u16>,
    /// Requests in flight at one of them, WebSockets and event streams among them; 503 when all have so many.
    #[serde(default = "default_in_flight_max")]
    #[validate(range(min = 1, max = 100_000, message = "must be 1–100000"))]
    pub in_flight_max: u32,
    /// When one is left alone for a while, as long as there are others.
    #[serde(default)]
    #[validate(nested)]
    pub ejection: EjectionSettings,
    /// When one is left alone even if there is no other.
    #[serde(default)]
    #[validate(nested)]
    pub circuit: CircuitSettings,
    /// How many requests are sent a second time.
    #[serde(default)]
    #[validate(nested)]
    pub retries: RetrySettings,
}

/// One that cannot answer says so by these; 500 may be the fault of one request.
fn default_failing_statuses() -> Vec<u16> {
    vec![502, 503, 504]
}

fn default_in_flight_max() -> u32 {
    1_024
}

/// A page that an upstream shows while it works.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct HealthCheckSettings {
    /// What is fetched, with GET; any 2xx is good.
    #[validate(custom(function = "is_a_target"))]
    pub path: String,
    /// From one look to the next.
    #[serde(default = "default_health_every_ms")]
    #[validate(range(min = 50, max = 600_000, message = "must be 50–600000 ms"))]
    pub every_ms: u64,
    /// To the end of the answer's head, the connection included.
    #[serde(default = "default_health_deadline_ms")]
    #[validate(range(min = 10, max = 60_000, message = "must be 10–60000 ms"))]
    pub deadline_ms: u64,
    /// Good looks in a row after which one that was down is asked again.
    #[serde(default = "default_up_after")]
    #[validate(range(min = 1, max = 100, message = "must be 1–100"))]
    pub up_after: u32,
    /// Bad looks in a row after which it is asked no more.
    #[serde(default = "default_down_after")]
    #[validate(range(min = 1, max = 100, message = "must be 1–100"))]
    pub down_after: u32,
}

fn default_health_every_ms() -> u64 {
    2_000
}

fn default_health_deadline_ms() -> u64 {
    1_000
}

fn default_up_after() -> u32 {
    2
}

fn default_down_after() -> u32 {
    3
}

/// When one that fails is left alone, because others work.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct EjectionSettings {
    /// Failures in a row; 0: nobody is ever left alone.
    #[validate(range(max = 10_000, message = "must be at most 10000"))]
    pub failures: u32,
    /// How long the first time; each further time as much longer, until it has been well for `rest_max_ms`.
    #[validate(range(min = 100, max = 600_000, message = "must be 100–600000 ms"))]
    pub rest_ms: u64,
    /// How long at most.
    #[validate(range(min = 100, max = 3_600_000, message = "must be 100–3600000 ms"))]
    pub rest_max_ms: u64,
    /// Nobody is left alone if fewer than so many percent of the group would be left to ask; and when its health checks say that
    /// fewer are well, they are not believed and everybody is asked.
    #[validate(range(max = 100, message = "must be 0–100"))]
    pub sound_percent_min: u8,
}

impl Default for EjectionSettings {
    fn default() -> Self {
        Self {
            failures: 5,
            rest_ms: 5_000,
            rest_max_ms: 300_000,
            sound_percent_min: 25,
        }
    }
}

/// When one is spared all requests, so that it can recover and callers need not wait for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct CircuitSettings {
    /// Failures in a row that open it; 0: it never opens for those.
    #[validate(range(max = 10_000, message = "must be at most 10000"))]
    pub failures: u32,
    /// Percent of the requests of a window whose failing opens it; 0: it never opens for those.
    #[validate(range(max = 100, message = "must be 0–100"))]
    pub failure_percent: u8,
    /// How far back is looked.
    #[validate(range(min = 100, max = 600_000, message = "must be 100–600000 ms"))]
    pub window_ms: u64,
    /// Requests of a window before percents mean anything.
    #[validate(range(min = 1, max = 100_000, message = "must be 1–100000"))]
    pub requests_min: u32,
    /// How long it stays open before one request is let through to see.
    #[validate(range(min = 50, max = 600_000, message = "must be 50–600000 ms"))]
    pub open_ms: u64,
}

/// Later than ejection, which comes first wherever there are others.
impl Default for CircuitSettings {
    fn default() -> Self {
        Self {
            failures: 10,
            failure_percent: 50,
            window_ms: 10_000,
            requests_min: 50,
            open_ms: 5_000,
        }
    }
}

/// How many requests are sent again. Without a bound, a group that fails gets three times its load.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySettings {
    /// Percent of the requests of a window; 0 with `at_least: 0`: none is sent again.
    #[validate(range(max = 100, message = "must be 0–100"))]
    pub percent: u8,
    /// So many of a window in any case, or a group with little to do could send none again.
    #[validate(range(max = 10_000, message = "must be at most 10000"))]
    pub at_least: u32,
    /// How far back is looked.
    #[validate(range(min = 100, max = 600_000, message = "must be 100–600000 ms"))]
    pub window_ms: u64,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            percent: 10,
            at_least: 10,
            window_ms: 10_000,
        }
    }
}

/// Groups have names that fit, and routes hand on to groups that there are.
pub(super) fn are_known(settings: &Settings) -> Result<(), ValidationError> {
    let groups: &BTreeMap<String, UpstreamSettings> = &settings.upstreams;
    if groups.len() > GROUPS_MAX {
        return Err(refuse(
            "upstreams",
            format!("upstreams must be at most {GROUPS_MAX} groups"),
        ));
    }
    for name in groups.keys() {
        routes::is_a_name(name)?;
    }
    let forwards = settings.routes.iter().filter_map(|route| {
        let group = route.forward.as_ref()?.upstreams.as_deref()?;
        Some((&route.path, group))
    });
    for (path, group) in forwards {
        if !groups.contains_key(group) {
            return Err(refuse(
                "unknown_upstreams",
                format!("{path} hands on to {group}, which is not among upstreams"),
            ));
        }
    }
    Ok(())
}

fn is_found_one_way(group: &UpstreamSettings) -> Result<(), ValidationError> {
    let ways = [
        !group.addresses.is_empty(),
        group.dns.is_some(),
        group.kubernetes.is_some(),
    ];
    if ways.into_iter().filter(|is_set| *is_set).count() != 1 {
        return Err(refuse(
            "not_one_way",
            "one of addresses, dns and kubernetes must be set",
        ));
    }
    let mut sorted = group.addresses.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != group.addresses.len() || sorted.len() > MEMBERS_MAX {
        return Err(refuse(
            "addresses",
            format!("addresses must be at most {MEMBERS_MAX}, each once"),
        ));
    }
    if group.ejection.rest_max_ms < group.ejection.rest_ms {
        return Err(refuse("rest", "rest_max_ms must be at least rest_ms"));
    }
    Ok(())
}

fn are_server_errors(statuses: &[u16]) -> Result<(), ValidationError> {
    if statuses.iter().all(|status| (500..600).contains(status)) {
        return Ok(());
    }
    Err(refuse("statuses", "each must be 500–599"))
}

fn is_a_target(path: &str) -> Result<(), ValidationError> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if path.starts_with('/') && path.len() <= 1_024 && path.bytes().all(plain) {
        return Ok(());
    }
    Err(refuse("target", "must be a path like /health/ready"))
}
