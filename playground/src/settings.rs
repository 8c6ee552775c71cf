//! What an operator may set about the playground, with the reason for each default.
//!
//! The binary fills these from `config/testing.yaml` and the environment; nothing here reads either.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use serde::Deserialize;
use url::Url;
use validator::Validate;

/// The playground's fixed door on a developer's machine.
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8088);

/// Telegram waits about a second before it repeats a refused update for the first time.
const WEBHOOK_RETRY_FIRST_MS_DEFAULT: u64 = 1_000;

/// The pause between two words of the stand-in model: slow enough to see it stream, fast enough not to bore.
const MODEL_WORD_DELAY_MS_DEFAULT: u64 = 12;

/// What the stand-ins keep of messages and of the log, in bytes of text; older entries give way.
const KEPT_BYTES_MAX_DEFAULT: usize = 32 * 1024 * 1024;

/// Everything the playground can be told. Unknown keys are refused by the loader.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct PlaygroundSettings {
    /// Where the page, the control door and the stand-ins listen.
    pub listen: SocketAddr,
    /// The edge that answers `/ops/*` and `/health/status`; without it the page shows the chat only.
    pub ops_url: Option<Url>,
    /// The bearer token for `/ops/*`. The page never sees it.
    pub ops_token: Option<OpsToken>,
    /// A PEM file trusted for webhook deliveries besides the certificate given to `setWebhook`. Read when a webhook is set.
    pub trusted_certificate: Option<PathBuf>,
    /// Whether the stand-in enforces Telegram's sending limits.
    pub limits: Limits,
    /// What happens when a bot writes to a chat that never wrote to it.
    pub unknown_chats: UnknownChats,
    /// Which ports a webhook may have.
    pub webhook_ports: WebhookPorts,
    /// Wait before the first repetition of a refused webhook delivery, in milliseconds; it doubles from there.
    #[validate(range(min = 1, max = 60_000, message = "must be 1–60000 milliseconds"))]
    pub webhook_retry_first_ms: u64,
    /// Pause between two words of the stand-in model, in milliseconds.
    #[validate(range(max = 60_000, message = "must be 0–60000 milliseconds"))]
    pub model_word_delay_ms: u64,
    /// Bytes of message text kept per bot, and bytes of the log of requests; the oldest give way.
    #[validate(range(min = 65_536, message = "must be at least 65536 bytes"))]
    pub kept_bytes_max: usize,
    /// Host names, besides the loopback ones, under which the page and the control door may be opened.
    pub allowed_hosts: Vec<String>,
    /// The bot that the page and the control door mean when they name none, by its number.
    #[validate(range(min = 1, message = "must be a bot's number, 1 or more"))]
    pub default_bot: i64,
}

impl Default for PlaygroundSettings {
    fn default() -> Self {
        Self {
            listen: LISTEN_DEFAULT,
            ops_url: None,
            ops_token: None,
            trusted_certificate: None,
            limits: Limits::Cloud,
            unknown_chats: UnknownChats::Accept,
            webhook_ports: WebhookPorts::Telegram,
            webhook_retry_first_ms: WEBHOOK_RETRY_FIRST_MS_DEFAULT,
            model_word_delay_ms: MODEL_WORD_DELAY_MS_DEFAULT,
            kept_bytes_max: KEPT_BYTES_MAX_DEFAULT,
            allowed_hosts: Vec::new(),
            default_bot: 1_000_001,
        }
    }
}

/// Which server the stand-in plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limits {
    /// api.telegram.org: sending too fast is answered with 429 and `retry_after`.
    #[default]
    Cloud,
    /// A self-hosted Bot API server: no sending limits, any webhook port, plain HTTP allowed.
    OwnServer,
}

/// What the stand-in does with a chat it has never heard of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownChats {
    /// The chat is created, so that an update posted straight to the edge can be answered.
    #[default]
    Accept,
    /// "Bad Request: chat not found", as Telegram does.
    Refuse,
}

/// Which ports a webhook may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookPorts {
    /// 443, 80, 88 and 8443, as at Telegram.
    #[default]
    Telegram,
    /// Any, so that several houses can be tested side by side on ports that were free.
    Any,
}

/// The bearer token for the edge's `/ops/*`. It never prints itself.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct OpsToken(String);

impl OpsToken {
    /// Wraps a token read by the binary.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OpsToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ops_token_does_not_print_itself() {
        let settings = PlaygroundSettings {
            ops_token: Some(OpsToken::new("hush")),
            ..PlaygroundSettings::default()
        };

        assert!(!format!("{settings:?}").contains("hush"));
    }

    #[test]
    fn the_defaults_are_valid() {
        assert!(PlaygroundSettings::default().validate().is_ok());
    }
}
