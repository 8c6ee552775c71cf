//! What an operator may set about models, with the reason for each default beside it.
//!
//! It only describes and checks; reading files and environment is the loader's work.

use std::collections::BTreeMap;
use std::time::Duration;

use sallyport_security::Secret;
use serde::Deserialize;
use url::Url;
use validator::{Validate, ValidationError};

/// OpenAI itself; Gemini, Ollama, vLLM and others are one other URL away.
const BASE_URL: &str = "https://api.openai.com/v1";
/// A handshake that takes longer than this is a network problem, and another try is the better bet.
const CONNECT_MS: u64 = 5_000;
/// Reasoning models think before they speak; longer than this and a person has given up.
const FIRST_TOKEN_MS: u64 = 30_000;
/// Between two pieces of text; a healthy stream has a gap of well below a second.
const NEXT_TOKEN_MS: u64 = 20_000;
/// The whole call with its retries; below the deadline of the task that asks.
const TOTAL_MS: u64 = 180_000;
/// `/status` gives every check one second.
const PROBE_MS: u64 = 1_000;
/// A first try and two more: what two retries do not cure, the queue waits out with longer pauses.
const ATTEMPTS_MAX: u32 = 3;
/// The first retry waits anything up to this, the second up to twice as long.
const RETRY_BASE_MS: u64 = 500;
/// A `Retry-After` longer than this is handed to the caller, whose queue waits without holding a worker.
const RETRY_WAIT_MS_MAX: u64 = 10_000;
/// Calls in flight per process; the pool has fewer slots than this, so it binds only when something leaks.
const CONCURRENT_MAX: usize = 128;
/// A question with its ten turns of memory; roughly 64,000 tokens.
const PROMPT_BYTES_MAX: usize = 256 * 1024;
/// Sixteen of Telegram's longest messages, more than anybody reads.
const REPLY_BYTES_MAX: usize = 64 * 1024;
/// The same reply with its envelope: a chunk spends about 300 bytes on a token of four.
const STREAM_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Caps the bill of one answer.
const REPLY_TOKENS_MAX: u32 = 4_096;

/// Where models are, under which names, and how long they may take.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The part before `/chat/completions`, for example `https://api.openai.com/v1`.
    #[validate(custom(function = is_base_url))]
    pub base_url: Url,
    /// Sent as bearer token. Empty means that no model is configured; a server that wants no key gets any word.
    pub api_key: Secret,
    /// Our names for models, so that code and texts never name a product. Several models under one name are tried
    /// in their order.
    #[validate(custom(function = are_aliases))]
    pub aliases: BTreeMap<String, Vec<String>>,
    /// Until the connection stands.
    #[validate(range(min = 50, max = 60_000))]
    pub connect_ms: u64,
    /// From sending the question to the first piece of the answer.
    #[validate(range(min = 50, max = 600_000))]
    pub first_token_ms: u64,
    /// Between two pieces of the answer.
    #[validate(range(min = 50, max = 600_000))]
    pub next_token_ms: u64,
    /// The whole call, retries and waits included.
    #[validate(range(min = 50, max = 3_600_000))]
    pub total_ms: u64,
    /// How long a status check waits.
    #[validate(range(min = 50, max = 60_000))]
    pub probe_ms: u64,
    /// Tries of one call, the first included; only before the first piece of text.
    #[validate(range(min = 1, max = 3))]
    pub attempts_max: u32,
    /// Upper end of the first retry's random wait; doubles with each further one.
    #[validate(range(min = 1, max = 60_000))]
    pub retry_base_ms: u64,
    /// The longest wait between two tries; a provider that asks for more gets its caller's patience instead.
    #[validate(range(min = 1, max = 120_000))]
    pub retry_wait_ms_max: u64,
    /// Calls in flight at once.
    #[validate(range(min = 1, max = 10_000))]
    pub concurrent_max: usize,
    /// All turns of a prompt together.
    #[validate(range(min = 1_024, max = 16_777_216))]
    pub prompt_bytes_max: usize,
    /// The text of one answer.
    #[validate(range(min = 1_024, max = 16_777_216))]
    pub reply_bytes_max: usize,
    /// What one answer may weigh on the wire.
    #[validate(range(min = 4_096, max = 134_217_728))]
    pub stream_bytes_max: usize,
    /// Asked of the model as `max_completion_tokens` where a prompt does not ask for less.
    #[validate(range(min = 1, max = 1_000_000))]
    pub reply_tokens_max: u32,
}

impl Default for Settings {
    #[expect(
        clippy::expect_used,
        reason = "BASE_URL is a constant URL, parsed by a test"
    )]
    fn default() -> Self {
        Self {
            base_url: Url::parse(BASE_URL).expect("BASE_URL is a valid URL"),
            api_key: Secret::default(),
            aliases: BTreeMap::from([
                ("fast".to_owned(), vec!["gpt-4.1-mini".to_owned()]),
                ("smart".to_owned(), vec!["gpt-4.1".to_owned()]),
            ]),
            connect_ms: CONNECT_MS,
            first_token_ms: FIRST_TOKEN_MS,
            next_token_ms: NEXT_TOKEN_MS,
            total_ms: TOTAL_MS,
            probe_ms: PROBE_MS,
            attempts_max: ATTEMPTS_MAX,
            retry_base_ms: RETRY_BASE_MS,
            retry_wait_ms_max: RETRY_WAIT_MS_MAX,
            concurrent_max: CONCURRENT_MAX,
            prompt_bytes_max: PROMPT_BYTES_MAX,
            reply_bytes_max: REPLY_BYTES_MAX,
            stream_bytes_max: STREAM_BYTES_MAX,
            reply_tokens_max: REPLY_TOKENS_MAX,
        }
    }
}

impl Settings {
    pub(crate) fn first_token(&self) -> Duration {
        Duration::from_millis(self.first_token_ms)
    }

    pub(crate) fn next_token(&self) -> Duration {
        Duration::from_millis(self.next_token_ms)
    }

    pub(crate) fn total(&self) -> Duration {
        Duration::from_millis(self.total_ms)
    }

    /// Whose models these are, as a span names them: by the host, so that nobody has to keep it in step.
    pub(crate) fn provider(&self) -> &'static str {
        match self.base_url.host_str() {
            Some("api.openai.com") => "openai",
            Some("generativelanguage.googleapis.com") => "gcp.gemini",
            Some(host) if host.ends_with(".openai.azure.com") => "azure.ai.openai",
            _ => "openai_compatible",
        }
    }
}

fn is_base_url(url: &Url) -> Result<(), ValidationError> {
    let refused = |reason: &'static str| {
        let mut error = ValidationError::new("base_url");
        error.message = Some(reason.into());
        Err(error)
    };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return refused("must be an http or https URL with a host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("must not carry a user name or password; the key has a setting of its own");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refused("must not carry a query or a fragment");
    }
    Ok(())
}

fn are_aliases(aliases: &BTreeMap<String, Vec<String>>) -> Result<(), ValidationError> {
    let fits = |text: &str, bytes_max: usize| {
        !text.is_empty()
            && text.len() <= bytes_max
            && !text.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    for (alias, models) in aliases {
        let refused = if !fits(alias, 32) {
            Some("names must have 1–32 bytes without spaces")
        } else if models.is_empty() {
            Some("every name needs at least one model")
        } else if !models.iter().all(|model| fits(model, 128)) {
            Some("models must have 1–128 bytes without spaces")
        } else {
            None
        };
        if let Some(reason) = refused {
            let mut error = ValidationError::new("aliases");
            error.message = Some(format!("{reason} (at '{alias}')").into());
            return Err(error);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_pass_their_own_checks_and_configure_nothing() {
        let settings = Settings::default();

        settings.validate().unwrap();
        assert!(settings.api_key.is_empty());
        assert_eq!(settings.provider(), "openai");
    }

    #[test]
    fn a_base_url_with_a_password_is_refused() {
        let settings = Settings {
            base_url: Url::parse("https://user:word@models.example/v1").unwrap(),
            ..Settings::default()
        };

        let errors = settings.validate().unwrap_err().to_string();

        assert!(errors.contains("must not carry a user name"), "{errors}");
    }

    #[test]
    fn an_alias_without_a_model_is_refused_by_name() {
        let settings: Settings = serde_json::from_str(r#"{"aliases": {"fast": []}}"#).unwrap();

        let errors = settings.validate().unwrap_err().to_string();

        assert!(errors.contains("at 'fast'"), "{errors}");
    }
}
