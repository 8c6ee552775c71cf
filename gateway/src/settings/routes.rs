//! One route: a path, and the one thing that is done with what arrives there.
//!
//! It exists apart from the doors and limits because this is the part that grows with every source and page. What
//! a route means while running is for [`crate::routes`].

use std::collections::HashSet;
use std::net::SocketAddr;

use sallyport_security::Secret;
use sallyport_security::inspection::{InspectionSettings, Mode};
use serde::Deserialize;
use validator::{Validate, ValidationError};

use super::limits::RateSettings;
use super::refuse;

/// Secrets that count at the same time: the current one, the next one, and room for a mistake.
const SECRETS_MAX: usize = 4;
/// Bots of one source behind one edge.
const BOTS_MAX: usize = 1_000;

/// A path and what is done there. Exactly one of `accept`, `forward` and `health` must be set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "does_one_thing"))]
pub struct RouteSettings {
    /// `/exact`, `/telegram/{bot}` with one named last segment, or `/everything/below/*`.
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
    /// How its requests are inspected, in place of what `inspection` says for all. Of a webhook only the body is looked at, and
    /// never refused.
    #[validate(nested)]
    pub inspection: Option<InspectionSettings>,
    /// Names of limits that requests of this route count against, beside those that every route has. Accept and forward
    /// routes only.
    #[serde(default)]
    #[validate(length(max = 8, message = "must be at most eight"))]
    pub limits: Vec<String>,
}

impl RouteSettings {
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

/// Who sends the webhooks of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Telegram's Bot API.
    Telegram,
}

impl Source {
    /// As it stands in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Telegram => "telegram",
        }
    }
}

/// How webhooks are taken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "has_distinct_bots"))]
pub struct AcceptSettings {
    /// Who sends them.
    pub source: Source,
    /// The bots behind this route; the path's `{bot}` names one.
    #[validate(nested)]
    pub bots: Vec<BotSettings>,
    /// Bytes of a body. Telegram's updates stay far below.
    #[serde(default = "default_body_bytes_max")]
    #[validate(range(min = 1, max = 26_214_400, message = "must be 1–26214400"))]
    pub body_bytes_max: usize,
    /// From the end of the head to the end of the body.
    #[serde(default = "default_body_deadline_ms")]
    #[validate(range(min = 50, max = 60_000, message = "must be 50–60000 ms"))]
    pub body_deadline_ms: u64,
    /// Verified webhooks of the whole route.
    #[serde(default = "default_route_limit")]
    #[validate(nested)]
    pub limit: RateSettings,
}

/// Room for any update, and for the fields that next year brings.
fn default_body_bytes_max() -> usize {
    1024 * 1024
}

fn default_body_deadline_ms() -> u64 {
    10_000
}

/// A shield against a sender gone wild, far above what one machine stores.
fn default_route_limit() -> RateSettings {
    RateSettings::bucket(50_000, 1)
}

/// One bot that a source sends to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "has_webhook_secrets"))]
pub struct BotSettings {
    /// Its name in paths, keys and metrics.
    #[validate(custom(function = "is_a_name"))]
    pub name: String,
    /// Whose it is.
    #[serde(default = "default_tenant")]
    #[validate(custom(function = "is_a_name"))]
    pub tenant: String,
    /// The webhook secrets that count now: one, or two while it is rotated.
    pub secrets: Vec<Secret>,
    /// Verified webhooks of this bot.
    #[serde(default = "default_bot_limit")]
    #[validate(nested)]
    pub limit: RateSettings,
}

fn default_tenant() -> String {
    "house".to_owned()
}

fn default_bot_limit() -> RateSettings {
    RateSettings::bucket(20_000, 1)
}

/// How requests are handed on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ForwardSettings {
    /// Where to.
    pub upstream: SocketAddr,
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
    /// To each next piece of the answer.
    #[serde(default = "default_answer_deadline_ms")]
    #[validate(range(min = 50, max = 600_000, message = "must be 50–600000 ms"))]
    pub answer_deadline_ms: u64,
    /// Whether pages for people lie there: they get the headers of pages, and over plain HTTP their readers are sent on to https.
    #[serde(default)]
    pub pages: bool,
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
    if route.accept.is_some() && !route.path.ends_with("/{bot}") {
        return Err(refuse(
            "no_bot",
            "the path of an accept route must end in /{bot}",
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
    Ok(())
}

fn is_a_path(path: &str) -> Result<(), ValidationError> {
    let rest = path
        .strip_suffix("/{bot}")
        .or_else(|| path.strip_suffix("/*"))
        .unwrap_or(path);
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
        "must be like /a/b, /a/{bot} or /a/*, of letters, digits, '-', '_' and '.'",
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

/// Telegram's own rule for `secret_token`, with a floor under its length.
///
/// Here and below a whole struct is checked where one field is meant, because a check of a field would copy the field's value
/// into its error, and secrets do not go there.
fn has_webhook_secrets(bot: &BotSettings) -> Result<(), ValidationError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let good = |secret: &Secret| {
        let text = secret.expose();
        (16..=256).contains(&text.len()) && text.bytes().all(plain)
    };
    if (1..=SECRETS_MAX).contains(&bot.secrets.len()) && bot.secrets.iter().all(good) {
        return Ok(());
    }
    Err(refuse(
        "secret",
        "secrets must be one to four, each 16–256 of A–Z, a–z, 0–9, '-' and '_'",
    ))
}

fn has_distinct_bots(accept: &AcceptSettings) -> Result<(), ValidationError> {
    let bots = &accept.bots;
    let names: HashSet<_> = bots.iter().map(|bot| bot.name.as_str()).collect();
    if bots.is_empty() || bots.len() > BOTS_MAX || names.len() < bots.len() {
        return Err(refuse(
            "bots",
            "bots must be 1–1000, each with a name of its own",
        ));
    }
    Ok(())
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
