//! All settings of the house, composed of each room's own: six files, each with shipped, commented defaults.
//!
//! An operator's folder (`--config`) is laid over the shipped files key by key, so a file there holds only what differs.

use std::net::SocketAddr;
use std::path::Path;

use sallyport_config::{Document, Effective, Environment, Loader, Mistake};
use sallyport_security::Secret;
use sallyport_telemetry::logs::LogSettings;
use sallyport_telemetry::trace::KeepPolicy;
use serde::Deserialize;
use validator::{Validate, ValidationError};

/// The shipped files, by name. Each is a section of [`Settings`].
const SHIPPED: [(&str, &str); 6] = [
    ("gateway.yaml", include_str!("../config/gateway.yaml")),
    ("stores.yaml", include_str!("../config/stores.yaml")),
    ("workers.yaml", include_str!("../config/workers.yaml")),
    ("apps.yaml", include_str!("../config/apps.yaml")),
    ("monitoring.yaml", include_str!("../config/monitoring.yaml")),
    ("testing.yaml", include_str!("../config/testing.yaml")),
];

/// Their names: what may lie in an operator's folder.
pub(crate) const FILES: [&str; SHIPPED.len()] = {
    let [
        (gateway, _),
        (stores, _),
        (workers, _),
        (apps, _),
        (monitoring, _),
        (testing, _),
    ] = SHIPPED;
    [gateway, stores, workers, apps, monitoring, testing]
};

/// The port that OpenTelemetry's Prometheus exporters use by custom.
const ADMIN_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9464);
/// Long enough for an answer in flight, short enough for a supervisor that waits.
const DRAIN_DEADLINE_MS: u64 = 10_000;

/// Everything that can be set.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `gateway.yaml`: the edge.
    pub(crate) gateway: sallyport_gateway::Settings,
    /// `stores.yaml`: Postgres, the queue in it, Redis.
    pub(crate) stores: Stores,
    /// `workers.yaml`: the pool and the API behind the edge.
    pub(crate) workers: Workers,
    /// `apps.yaml`: bots, model, apps.
    pub(crate) apps: Apps,
    /// `monitoring.yaml`: logs, metrics, health, traces.
    pub(crate) monitoring: Monitoring,
    /// `testing.yaml`: the playground.
    pub(crate) testing: Testing,
}

/// Postgres and the queue in it, and Redis beside it.
#[derive(Debug, Clone, Default, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Stores {
    #[validate(nested)]
    pub(crate) postgres: sallyport_postgres::Settings,
    #[validate(nested)]
    pub(crate) redis: sallyport_redis::Settings,
    #[validate(nested)]
    pub(crate) queue: sallyport_queue::Settings,
    #[validate(nested)]
    pub(crate) membership: sallyport_queue::membership::Settings,
    #[validate(nested)]
    pub(crate) backup: sallyport_recovery::Settings,
}

/// The pool and the API behind the edge.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Workers {
    #[validate(nested)]
    pub(crate) pool: sallyport_workers::pool::PoolSettings,
    #[validate(nested)]
    pub(crate) api: sallyport_workers::api::Settings,
    #[validate(range(min = 100, max = 300_000))]
    pub(crate) drain_deadline_ms: u64,
}

/// Bots, model, apps.
#[derive(Debug, Clone, Default, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Apps {
    #[validate(nested)]
    pub(crate) chat: sallyport_workers::Settings,
    #[validate(nested)]
    pub(crate) model: sallyport_ai::Settings,
    #[validate(nested)]
    pub(crate) hub: sallyport_hub::Settings,
}

/// Logs, metrics, health, traces.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Monitoring {
    #[validate(length(min = 1, max = 64))]
    pub(crate) environment: String,
    #[validate(nested)]
    pub(crate) logs: LogSettings,
    #[validate(nested)]
    pub(crate) admin: Admin,
    #[validate(nested)]
    pub(crate) traces: Traces,
}

/// The admin door.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Admin {
    pub(crate) listen: SocketAddr,
    /// The bearer token that opens `/health/status` and `/cache/purge`; empty refuses everybody.
    pub(crate) status_token: Secret,
}

/// What is kept of traces, and where they go besides.
#[derive(Debug, Clone, Default, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Traces {
    #[validate(nested)]
    pub(crate) keep: KeepPolicy,
    #[validate(nested)]
    pub(crate) recorder: sallyport_recorder::Settings,
    /// A collector's address; empty means none.
    #[validate(custom(function = is_empty_or_http))]
    pub(crate) otlp_endpoint: String,
}

/// The playground.
#[derive(Debug, Clone, Default, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Testing {
    #[validate(nested)]
    pub(crate) playground: sallyport_playground::PlaygroundSettings,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            pool: Default::default(),
            api: Default::default(),
            drain_deadline_ms: DRAIN_DEADLINE_MS,
        }
    }
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            environment: "development".to_owned(),
            logs: LogSettings::default(),
            admin: Admin::default(),
            traces: Traces::default(),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: ADMIN_LISTEN,
            status_token: Secret::default(),
        }
    }
}

/// Loads everything: the shipped files with those of `folder` laid over them, filled from `environment`.
///
/// # Errors
/// Every mistake in every file.
pub(crate) fn load(
    folder: Option<&Path>,
    environment: Environment,
) -> Result<(Settings, Vec<Effective>), Vec<Mistake>> {
    let mut loader = Loader::new(environment);
    for stranger in folder.map(unknown_files).unwrap_or_default() {
        loader.complain(stranger);
    }
    let mut documents = SHIPPED
        .map(|(name, text)| document(&mut loader, folder, name, text))
        .into_iter();
    let settings = read_sections(&mut loader, &mut documents);
    for stranger in settings.iter().flat_map(bots_of_two_tenants) {
        loader.complain(stranger);
    }
    let effective = loader.finish()?;
    match settings {
        Some(settings) => Ok((settings, effective)),
        // A section that could not be made has left a mistake, so this is unreachable in practice; it must not be a panic.
        None => Err(Vec::new()),
    }
}

fn read_sections(
    loader: &mut Loader,
    documents: &mut impl Iterator<Item = Option<Document>>,
) -> Option<Settings> {
    let gateway = section(loader, documents.next());
    let stores = section(loader, documents.next());
    let workers = section(loader, documents.next());
    let apps = section(loader, documents.next());
    let monitoring = section(loader, documents.next());
    let testing = section(loader, documents.next());
    Some(Settings {
        gateway: gateway?,
        stores: stores?,
        workers: workers?,
        apps: apps?,
        monitoring: monitoring?,
        testing: testing?,
    })
}

/// Bots whose updates would belong to one tenant when they come through the edge and to another when they are fetched.
fn bots_of_two_tenants(settings: &Settings) -> Vec<Mistake> {
    let routes = settings.gateway.routes.iter();
    let at_the_edge = routes.filter_map(|route| route.accept.as_ref());
    at_the_edge
        .flat_map(|accept| &accept.bots)
        .filter_map(|edge| {
            let mut bots = settings.apps.chat.bots.iter();
            let bot = bots.find(|bot| bot.name == edge.name && bot.tenant != edge.tenant)?;
            Some(Mistake {
                file: "gateway.yaml".to_owned(),
                line: None,
                key: format!("the bot {} of a route: tenant", edge.name),
                reason: format!(
                    "is {}, but {} in apps.yaml; a bot has one tenant",
                    edge.tenant, bot.tenant
                ),
            })
        })
        .collect()
}

fn section<T: serde::de::DeserializeOwned + Validate>(
    loader: &mut Loader,
    document: Option<Option<Document>>,
) -> Option<T> {
    loader.section(document.flatten()?)
}

fn document(
    loader: &mut Loader,
    folder: Option<&Path>,
    name: &str,
    shipped: &str,
) -> Option<Document> {
    let mut keep = |parsed: Result<Document, Mistake>| match parsed {
        Ok(document) => Some(document),
        Err(mistake) => {
            loader.complain(mistake);
            None
        }
    };
    let shipped = keep(Document::parse(&format!("config/{name}"), shipped))?;
    let Some(path) = folder
        .map(|folder| folder.join(name))
        .filter(|path| path.exists())
    else {
        return Some(shipped);
    };
    let named = path.display().to_string();
    let text = std::fs::read_to_string(&path).map_err(|error| Mistake {
        file: named.clone(),
        line: None,
        key: String::new(),
        reason: format!("cannot be read: {error}"),
    });
    let own = keep(text.and_then(|text| Document::parse(&named, &text)))?;
    Some(shipped.overlaid_with(own))
}

/// Files in the operator's folder that nothing reads: most likely a misspelt name.
fn unknown_files(folder: &Path) -> Vec<Mistake> {
    let complaint = |file: String, reason: String| Mistake {
        file,
        line: None,
        key: String::new(),
        reason,
    };
    match std::fs::read_dir(folder) {
        Ok(entries) => entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"))
            .filter(|name| !FILES.contains(&name.as_str()))
            .map(|name| {
                complaint(
                    folder.join(&name).display().to_string(),
                    format!("is not a file of ours; known are {}", FILES.join(", ")),
                )
            })
            .collect(),
        Err(error) => vec![complaint(
            folder.display().to_string(),
            format!("cannot be read: {error}"),
        )],
    }
}

fn is_empty_or_http(endpoint: &str) -> Result<(), ValidationError> {
    let fits =
        endpoint.is_empty() || endpoint.starts_with("http://") || endpoint.starts_with("https://");
    if fits {
        Ok(())
    } else {
        Err(ValidationError::new("url")
            .with_message("must be empty or begin with http:// or https://".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        let variables = [
            ("DATABASE_URL", "postgresql://postgres@localhost/sallyport"),
            ("TELEGRAM_OPS_WEBHOOK_SECRET", "a-webhook-secret"),
            ("OPS_TOKEN", "an-operators-token"),
        ];
        Environment::new(variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    fn told(folder: &Path) -> Vec<String> {
        let mistakes = load(Some(folder), environment()).unwrap_err();
        mistakes.iter().map(Mistake::to_string).collect()
    }

    #[test]
    fn the_shipped_files_are_valid() {
        let outcome = load(None, environment());

        assert!(outcome.is_ok(), "{:#?}", outcome.err());
    }

    #[test]
    fn a_file_of_ones_own_holds_only_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("workers.yaml"),
            "drain_deadline_ms: 2500\n",
        )
        .unwrap();

        let (settings, _) = load(Some(folder.path()), environment()).unwrap();

        assert_eq!(settings.workers.drain_deadline_ms, 2_500);
        assert_eq!(settings.workers.api.listen.port(), 8081);
    }

    #[test]
    fn a_misspelt_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("gatway.yaml"), "a: 1\n").unwrap();

        assert!(told(folder.path())[0].contains("gatway.yaml is not a file of ours"));
    }

    #[test]
    fn a_bot_of_two_tenants_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let bots = "chat:\n  bots:\n    - {name: ops, tenant: other, app: hub, token: '1:x'}\n";
        std::fs::write(folder.path().join("apps.yaml"), bots).unwrap();

        assert!(told(folder.path())[0].contains("a bot has one tenant"));
    }

    #[test]
    fn mistakes_of_all_files_come_together() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("workers.yaml"), "drain_deadline_ms: 1\n").unwrap();
        std::fs::write(folder.path().join("apps.yaml"), "chat:\n  bots: 7\n").unwrap();

        assert_eq!(told(folder.path()).len(), 2);
    }
}
