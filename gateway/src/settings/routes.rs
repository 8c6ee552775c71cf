//! One route: a path, and the one thing that is done with what arrives there.
//!
//! It exists apart from the doors and limits because this is the part that grows with every page. How webhooks are taken is said in
//! [`super::accept`]; what a route means while running is for [`crate::routes`].

use std::net::SocketAddr;

use sallyport_security::Secret;
use sallyport_security::access_token::AccessTokenSettings;
use sallyport_security::inspection::{InspectionSettings, Mode};
use serde::Deserialize;
use validator::{Validate, ValidationError};

use super::accept::{
    AcceptSettings, SECRETS_MAX, default_body_bytes_max, default_body_deadline_ms,
};
use super::answers::{
    CacheSettings, CookieSettings, CorsSettings, Embeddable, FailureBody, Serves,
};
use super::client_certificates::ClientCertificateSettings;
use super::openapi::{DESCRIBED_BODY_BYTES_MAX, OpenApiSettings};
use super::{Importance, refuse};

/// How the path of an accept route ends: with the name of a bot or of a hook.
pub(crate) const NAME_ENDS: [&str; 2] = ["/{bot}", "/{name}"];

/// A path and what is done there. Exactly one of `accept`, `forward` and `health` must be set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "does_one_thing"))]
pub struct RouteSettings {
    /// `/exact`, `/telegram/{bot}` or `/hooks/{name}` with one named last segment, or `/everything/below/*`.
    #[validate(custom(function = "is_a_path"))]
    pub path: String,
    /// Take webhooks: verify, store, answer.
    #[validate(nested)]
    pub accept: Option<AcceptSettings>,
    /// Hand the request on and the answer back.
    #[validate(nested)]
    pub forward: Option<ForwardSettings>,
    /// Show the process's own health.
    pub health: Option<HealthPage>,
    /// Who may see the page `status`: callers with one of these bearer tokens.
    #[serde(default)]
    pub tokens: Vec<Secret>,
    /// Names of networks that the route is open to: lists of `addresses`, `telegram`, `github`. None: to everybody who is not
    /// denied.
    #[serde(default)]
    #[validate(length(max = 16, message = "must be at most sixteen"))]
    pub from: Vec<String>,
    /// Which client certificates open it, on the TLS door. Absent: nobody is asked for one.
    #[validate(nested)]
    pub client_certificate: Option<ClientCertificateSettings>,
    /// How its requests are inspected, in place of what `inspection` says for all. Of a webhook only the body is looked at, and
    /// never refused.
    #[validate(nested)]
    pub inspection: Option<InspectionSettings>,
    /// Names of limits that requests of this route count against, beside those that every route has. Accept and forward
    /// routes only.
    #[serde(default)]
    #[validate(length(max = 8, message = "must be at most eight"))]
    pub limits: Vec<String>,
    /// How much is lost when its requests are turned away while the house is slow. Absent: a person waits (`interactive`) for pages and
    /// assets and for what Telegram, Slack and Discord send, a program (`normal`) for everything else. Accept and forward routes only.
    pub importance: Option<Importance>,
}

impl RouteSettings {
    /// How important its requests are, where no hook says otherwise.
    pub(crate) fn importance(&self) -> Importance {
        let forward = self.forward.as_ref();
        self.importance.unwrap_or_else(|| match forward {
            Some(forward) if forward.serves == Serves::Api => Importance::Normal,
            Some(_) => Importance::Interactive,
            // Each hook has its own; what the edge answers itself costs next to nothing.
            None => Importance::Vital,
        })
    }

    /// How its requests are inspected, where `all` is what applies to routes that say nothing. Nothing for what the edge answers
    /// itself.
    pub(crate) fn inspection(&self, all: &InspectionSettings) -> Option<InspectionSettings> {
        let mut inspection = self.inspection.as_ref().unwrap_or(all).clone();
        if self.forward.is_some() {
            return Some(inspection);
        }
        self.accept.as_ref()?;
        let never_block = |mode: &mut Mode| {
            if *mode == Mode::Block {
                *mode = Mode::Log;
            }
        };
        never_block(&mut inspection.modes.body);
        never_block(&mut inspection.json.mode);
        (inspection.modes.body != Mode::Off).then_some(inspection)
    }
}

/// How requests are handed on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "goes_one_way"))]
pub struct ForwardSettings {
    /// Where to, when there is one.
    pub upstream: Option<SocketAddr>,
    /// Or the group of `upstreams` that it goes to.
    pub upstreams: Option<String>,
    /// Methods that are handed on.
    #[serde(default = "default_methods")]
    #[validate(length(min = 1, max = 8), custom(function = "are_methods"))]
    pub methods: Vec<String>,
    /// Bytes of a body.
    #[serde(default = "default_body_bytes_max")]
    #[validate(range(max = 26_214_400, message = "must be at most 26214400"))]
    pub body_bytes_max: usize,
    /// From the end of the head to the end of the body.
    #[serde(default = "default_body_deadline_ms")]
    #[validate(range(min = 50, max = 60_000, message = "must be 50–60000 ms"))]
    pub body_deadline_ms: u64,
    /// To the TCP connection.
    #[serde(default = "default_connect_deadline_ms")]
    #[validate(range(min = 10, max = 60_000, message = "must be 10–60000 ms"))]
    pub connect_deadline_ms: u64,
    /// To the head of the answer, and to each next piece of it.
    #[serde(default = "default_answer_deadline_ms")]
    #[validate(range(min = 50, max = 600_000, message = "must be 50–600000 ms"))]
    pub answer_deadline_ms: u64,
    /// What lies there, which decides what browsers may do with it.
    #[serde(default)]
    pub serves: Serves,
    /// Which access tokens open it, and name whom requests come from. Absent: what stands behind decides who may come in.
    #[validate(nested)]
    pub access_token: Option<AccessTokenSettings>,
    /// The document that requests are held to. Absent: what stands behind judges them alone.
    #[validate(nested)]
    pub openapi: Option<OpenApiSettings>,
    /// Answers that are kept for others; absent: none.
    #[validate(nested)]
    pub cache: Option<CacheSettings>,
    /// Whether answers of text are compressed for clients that take them so.
    #[serde(default)]
    pub compress: bool,
    /// Which other origins' scripts may read the answers; absent: none.
    #[validate(nested)]
    pub cors: Option<CorsSettings>,
    /// Who may embed assets by their address alone.
    #[serde(default)]
    pub embeddable: Embeddable,
    /// Which cookies may have less than the strictest attributes.
    #[serde(default)]
    pub cookies: CookieSettings,
    /// What becomes of the body of a failure (5xx); absent: `replace` for pages and assets, `pass` for answers to programs.
    pub failures: Option<FailureBody>,
    /// Whether WebSockets may be opened; else a request for one goes on as one for an answer.
    #[serde(default)]
    pub websocket: bool,
    /// Between two signs of life, of either side, of a WebSocket, and between two pieces of a stream of events that a caller has
    /// asked for (`Accept: text/event-stream`).
    #[serde(default = "default_stream_idle_ms")]
    #[validate(range(min = 50, max = 86_400_000, message = "must be 50–86400000 ms"))]
    pub stream_idle_ms: u64,
}

fn default_methods() -> Vec<String> {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
        .map(str::to_owned)
        .to_vec()
}

/// The upstream is on this machine or beside it: what takes longer is down.
fn default_connect_deadline_ms() -> u64 {
    1_000
}

fn default_answer_deadline_ms() -> u64 {
    30_000
}

/// Whoever keeps a stream open sends something at least every half minute, or balancers on the way forget it.
fn default_stream_idle_ms() -> u64 {
    120_000
}

/// A page about this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthPage {
    /// Is the process alive: asks nobody.
    Live,
    /// May it be sent requests.
    Ready,
    /// Everything, for those who hold a token.
    Status,
}

fn does_one_thing(route: &RouteSettings) -> Result<(), ValidationError> {
    let things = [
        route.accept.is_some(),
        route.forward.is_some(),
        route.health.is_some(),
    ];
    if things.iter().filter(|set| **set).count() != 1 {
        return Err(refuse(
            "not_one_thing",
            "exactly one of accept, forward and health must be set",
        ));
    }
    let is_named = NAME_ENDS.iter().any(|end| route.path.ends_with(end));
    if route.accept.is_some() && !is_named {
        return Err(refuse(
            "no_bot",
            "the path of an accept route must end in /{bot} or /{name}",
        ));
    }
    if route.tokens.len() > SECRETS_MAX {
        return Err(refuse("tokens", "tokens must be at most four"));
    }
    let shows_status = route.health == Some(HealthPage::Status);
    let has_token = route.tokens.iter().any(|token| !token.is_empty());
    if shows_status && !has_token {
        return Err(refuse(
            "no_token",
            "tokens must hold one for health: status",
        ));
    }
    if !shows_status && !route.tokens.is_empty() {
        return Err(refuse(
            "idle_tokens",
            "tokens mean something for health: status only",
        ));
    }
    if route.health.is_some() && !route.limits.is_empty() {
        return Err(refuse(
            "limited_health",
            "limits must be empty for health, which is answered whatever else happens",
        ));
    }
    if route.health.is_some() && route.importance.is_some() {
        return Err(refuse(
            "shed_health",
            "importance must be absent for health, which is never turned away",
        ));
    }
    Ok(())
}

fn goes_one_way(forward: &ForwardSettings) -> Result<(), ValidationError> {
    if forward.openapi.is_some() && forward.body_bytes_max > DESCRIBED_BODY_BYTES_MAX {
        return Err(refuse(
            "described_body",
            "body_bytes_max must be at most 1048576 with openapi, since bodies are read into memory to be judged",
        ));
    }
    if forward.upstream.is_some() == forward.upstreams.is_none() {
        return Ok(());
    }
    Err(refuse(
        "not_one_way",
        "either upstream or upstreams must be set",
    ))
}

fn is_a_path(path: &str) -> Result<(), ValidationError> {
    let mut ends = NAME_ENDS.iter().chain(&["/*"]);
    let rest = ends.find_map(|end| path.strip_suffix(end)).unwrap_or(path);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let whole = rest
        .split('/')
        .skip(1)
        .all(|segment| !segment.is_empty() && segment.bytes().all(plain));
    if path.starts_with('/') && whole && !rest.is_empty() {
        return Ok(());
    }
    Err(refuse(
        "path",
        "must be like /a/b, /a/{bot}, /a/{name} or /a/*, of letters, digits, '-', '_' and '.'",
    ))
}

pub(super) fn is_a_name(name: &str) -> Result<(), ValidationError> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if (1..=32).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(refuse("name", "must be 1–32 of a–z, 0–9, '-' and '_'"))
}

fn are_methods(methods: &[String]) -> Result<(), ValidationError> {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    if methods
        .iter()
        .all(|method| known.contains(&method.as_str()))
    {
        return Ok(());
    }
    Err(refuse(
        "method",
        format!("each must be one of {}", known.join(", ")),
    ))
}
