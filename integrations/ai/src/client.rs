//! The client: asks a model, streams its answer, and can tell whether the provider is there.
//!
//! It exists to carry out what [settings](crate::settings) and `retry` decide. How an answer is read is
//! in `answer`, how bytes travel in `transport`.

mod answer;
mod probe;
mod retry;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

pub use self::answer::Answer;
pub use self::probe::Probe;
use self::retry::{RetryBudget, RetryPolicy};
use self::transport::Endpoint;
use crate::error::SetupError;
use crate::instruments::Instruments;
use crate::settings::Settings;
use crate::wire::Prompt;

/// What the house has in models: nothing, which is a state like any other, or a client.
#[derive(Clone)]
pub enum Models {
    /// No key is set. Apps answer with a human's words and say so.
    NotConfigured,
    /// A provider to ask.
    Configured(ModelClient),
}

impl Models {
    /// Reads from the settings which of the two it is.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        if settings.api_key.is_empty() {
            return Ok(Self::NotConfigured);
        }
        ModelClient::new(settings).map(Self::Configured)
    }

    /// The client, where there is one.
    pub fn client(&self) -> Option<&ModelClient> {
        match self {
            Self::NotConfigured => None,
            Self::Configured(client) => Some(client),
        }
    }
}

/// Asks one provider. Cheap to clone; clones share connections, limits and the retry budget.
#[derive(Clone)]
pub struct ModelClient(Arc<Inner>);

/// What all calls of one client share.
pub(crate) struct Inner {
    settings: Settings,
    policy: RetryPolicy,
    budget: RetryBudget,
    slots: Arc<Semaphore>,
    http: reqwest::Client,
    endpoint: Arc<Endpoint>,
    instruments: Instruments,
}

impl ModelClient {
    fn new(settings: Settings) -> Result<Self, SetupError> {
        let endpoint = Arc::new(Endpoint::new(&settings.base_url, &settings.api_key)?);
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_millis(settings.connect_ms))
            // A provider that redirects would be handed our key at an address nobody configured.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("sallyport/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(SetupError::Http)?;
        Ok(Self(Arc::new(Inner {
            policy: RetryPolicy::of(&settings),
            budget: RetryBudget::full(),
            slots: Arc::new(Semaphore::new(settings.concurrent_max)),
            instruments: Instruments::new(&settings),
            http,
            endpoint,
            settings,
        })))
    }

    /// Asks, and returns the answer as a stream that begins working when it is first polled.
    ///
    /// The stream yields [`Delta::Text`](crate::Delta::Text) any number of times and then one
    /// [`Delta::Finished`](crate::Delta::Finished), or an error, after which it is over. Nothing is retried once the
    /// first text is out, so text before an error is a beginning without an end. It takes at most
    /// [`total_ms`](Settings::total_ms). Dropping it hangs up; its spans belong to the trail of the task that polls.
    pub fn stream(&self, prompt: Prompt) -> Answer {
        Answer::begin(Arc::clone(&self.0), prompt)
    }

    /// Whether the provider answers, and how fast. Costs no tokens.
    ///
    /// # Errors
    /// The key was refused, the provider failed, or there was no answer within [`probe_ms`](Settings::probe_ms).
    pub async fn probe(&self) -> Result<Probe, crate::ModelError> {
        probe::probe(&self.0).await
    }

    /// Whether `alias` stands for any model.
    pub fn knows(&self, alias: &str) -> bool {
        self.0
            .settings
            .aliases
            .get(alias)
            .is_some_and(|models| !models.is_empty())
    }
}

#[cfg(test)]
mod tests;
