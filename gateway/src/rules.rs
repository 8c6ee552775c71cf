//! What the edge goes by, and what can be changed while it runs: routes, limits, whom it believes and whom it denies.
//!
//! It exists so that a change of settings is one swap: a request sees the rules of before or those of after, never half of each.
//! What has not changed keeps what it has counted, so that nobody gets a fresh limit out of a reload. Whether new settings
//! are sound is decided before this; noticing that there are new ones is for the binary.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use sallyport_security::access_token::UnfitTokenKey;
use sallyport_security::{InvalidQuota, Redis};
use sallyport_sources::InvalidHook;

use crate::checks::{Peers, Plain, Strangers};
use crate::limits::Limits;
use crate::networks::DenyList;
use crate::routes::RouteTable;
use crate::settings::Settings;
use crate::shedding::Shedding;
use crate::upstreams::Upstreams;

/// All of it.
pub(crate) struct Rules {
    pub(crate) table: RouteTable,
    pub(crate) strangers: Strangers,
    pub(crate) peers: Peers,
    pub(crate) deny: DenyList,
    pub(crate) plain: Plain,
    /// Whether any route keeps answers.
    pub(crate) keeps_answers: bool,
    pub(crate) upstreams: Upstreams,
    pub(crate) shedding: Shedding,
    /// Whether any route wants to see a client's certificate.
    pub(crate) asks_for_certificates: bool,
    limits: Limits,
}

/// The rules of now, for everybody who goes by them.
pub(crate) type CurrentRules = Arc<ArcSwap<Rules>>;

/// Why settings make no rules. Settings that were validated do.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRules {
    /// A limit makes no sense.
    #[error(transparent)]
    Limit(#[from] InvalidQuota),
    /// A route hands on to nobody, or to a group that there is not.
    #[error("{0} does not say to whom it hands on")]
    NoUpstream(String),
    /// Nobody is named who sends to a hook.
    #[error("nobody is named who sends to {name} of {path}")]
    NoSource {
        /// The path of its route.
        path: String,
        /// What it is called.
        name: String,
    },
    /// The authorities of a route were not read, or are none.
    #[error("no client certificate that is shown to {path} could be judged")]
    Authorities {
        /// The path of the route.
        path: String,
    },
    /// The document of a route was not read.
    #[error("nothing that is sent to {0} could be held to its OpenAPI document")]
    Document(String),
    /// A key of access tokens cannot be used.
    #[error("no access token that is sent to {path} could be judged")]
    TokenKey {
        /// The path of its route.
        path: String,
        /// Which key, and why not.
        #[source]
        source: UnfitTokenKey,
    },
    /// What is sent to a hook could not be verified.
    #[error("nothing that is sent to {name} of {path} could be verified")]
    Hook {
        /// The path of its route.
        path: String,
        /// What it is called.
        name: String,
        /// Why not.
        #[source]
        source: InvalidHook,
    },
}

impl Rules {
    /// The rules of these settings, which go on counting where `before` stands.
    ///
    /// # Errors
    /// When something was never validated and makes no sense.
    pub(crate) fn new(
        settings: &Settings,
        redis: Option<&Redis>,
        origin: Instant,
        before: Option<&Self>,
    ) -> Result<Self, InvalidRules> {
        let none = Limits::default();
        let counted = before.map_or(&none, |rules| &rules.limits);
        let limits = Limits::new(&settings.limits, redis, origin, counted)?;
        let upstreams = Upstreams::new(&settings.upstreams, before.map(|rules| &rules.upstreams));
        let table = before.map(|rules| &rules.table);
        let shedding = Shedding::new(settings, before.map(|rules| &rules.shedding));
        let table = RouteTable::new(settings, &limits, &upstreams, &shedding, origin, table)?;
        let keeps_answers = table.caches().next().is_some();
        let asks_for_certificates = table.iter().any(|route| route.client_check.is_some());
        Ok(Self {
            keeps_answers,
            asks_for_certificates,
            table,
            strangers: Strangers::new(
                &settings.strangers,
                origin,
                before.map(|rules| &rules.strangers),
            )?,
            peers: Peers::new(&settings.trusted_peers, settings.trusted_hops),
            deny: DenyList::new(&settings.addresses),
            plain: Plain::new(settings),
            upstreams,
            shedding,
            limits,
        })
    }
}

/// What a reload has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// What applies from now on, each with its sign: `+/hooks/x`, `~/ops/*`, `-limit bulk`.
    pub applied: Vec<String>,
    /// Settings that differ and that only a restart can change.
    pub at_restart: Vec<&'static str>,
}

impl Changes {
    /// What is different in `new`.
    pub(crate) fn between(old: &Settings, new: &Settings) -> Self {
        let mut applied = Vec::new();
        let route = |settings: &Settings, path: &str| {
            let mut routes = settings.routes.iter();
            routes.find(|route| route.path == path).cloned()
        };
        let paths = |settings: &Settings| -> BTreeSet<String> {
            settings
                .routes
                .iter()
                .map(|route| route.path.clone())
                .collect()
        };
        for path in paths(old).union(&paths(new)) {
            let sign = sign(route(old, path).as_ref(), route(new, path).as_ref());
            applied.extend(sign.map(|sign| format!("{sign}{path}")));
        }
        let order = |settings: &Settings| -> Vec<String> {
            settings
                .routes
                .iter()
                .map(|route| route.path.clone())
                .collect()
        };
        if applied.is_empty() && order(old) != order(new) {
            applied.push("~order of routes".to_owned());
        }
        applied.extend(named("limit", &old.limits, &new.limits));
        applied.extend(named("upstreams", &old.upstreams, &new.upstreams));
        let others = [
            ("~strangers", old.strangers != new.strangers),
            ("~trusted_peers", old.trusted_peers != new.trusted_peers),
            ("~trusted_hops", old.trusted_hops != new.trusted_hops),
            ("~addresses", old.addresses != new.addresses),
            ("~shedding", old.shedding != new.shedding),
            ("~inspection", old.inspection != new.inspection),
            ("~http_serves", old.http_serves != new.http_serves),
            ("~https_port", old.https_port != new.https_port),
        ];
        let differing = others.into_iter().filter(|(_, differs)| *differs);
        applied.extend(differing.map(|(name, _)| name.to_owned()));
        let fixed = [
            ("http", old.http != new.http),
            ("tls", old.tls != new.tls),
            (
                "certificates",
                !old.configured_certificates()
                    .eq(new.configured_certificates()),
            ),
            ("acme", old.acme != new.acme),
            ("tls_profile", old.tls_profile != new.tls_profile),
            ("proxy_protocol", old.proxy_protocol != new.proxy_protocol),
            ("connections", old.connections != new.connections),
            (
                "drain_deadline_ms",
                old.drain_deadline_ms != new.drain_deadline_ms,
            ),
        ];
        Self {
            applied,
            at_restart: fixed
                .into_iter()
                .filter_map(|(name, differs)| differs.then_some(name))
                .collect(),
        }
    }

    /// Whether the settings were the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.applied.is_empty() && self.at_restart.is_empty()
    }
}

/// For a log line: `~/ops/* +limit bulk; at the next start: connections`.
impl fmt::Display for Changes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.applied.join(" "))?;
        if self.at_restart.is_empty() {
            return Ok(());
        }
        let separator = if self.applied.is_empty() { "" } else { "; " };
        write!(
            formatter,
            "{separator}at the next start: {}",
            self.at_restart.join(", ")
        )
    }
}

/// What is different among things that have names: `~limit bulk`.
fn named<T: PartialEq>(
    kind: &str,
    old: &BTreeMap<String, T>,
    new: &BTreeMap<String, T>,
) -> Vec<String> {
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let signed = names.into_iter().filter_map(|name| {
        let sign = sign(old.get(name), new.get(name))?;
        Some(format!("{sign}{kind} {name}"))
    });
    signed.collect()
}

fn sign<T: PartialEq>(old: Option<&T>, new: Option<&T>) -> Option<char> {
    match (old, new) {
        (None, Some(_)) => Some('+'),
        (Some(_), None) => Some('-'),
        (Some(old), Some(new)) if old != new => Some('~'),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(value: serde_json::Value) -> Settings {
        serde_json::from_value(value).unwrap()
    }

    fn forward(path: &str, bytes: usize) -> serde_json::Value {
        json!({"path": path, "forward": {"upstream": "127.0.0.1:1", "body_bytes_max": bytes}})
    }

    #[test]
    fn a_change_is_told_by_what_differs() {
        let old = settings(json!({
            "routes": [forward("/gone", 1), forward("/same", 1), forward("/other", 1)],
            "limits": {"bulk": {"rate": {"requests": 1, "window_seconds": 1}}},
        }));
        let new = settings(json!({
            "routes": [forward("/same", 1), forward("/other", 2), forward("/new", 1)],
            "strangers": {"addresses_max": 100},
            "connections": {"total_max": 5},
        }));

        let changes = Changes::between(&old, &new);

        assert_eq!(
            changes.to_string(),
            "-/gone +/new ~/other -limit bulk ~strangers; at the next start: connections"
        );
        assert!(Changes::between(&old, &old).is_empty());
    }

    #[test]
    fn the_order_of_routes_is_a_change() {
        let old = settings(json!({"routes": [forward("/a", 1), forward("/b", 1)]}));
        let new = settings(json!({"routes": [forward("/b", 1), forward("/a", 1)]}));

        assert_eq!(Changes::between(&old, &new).applied, ["~order of routes"]);
    }
}
