//! Telling receivers elsewhere what happened: the handler of `webhook.send`, and what apps may ask about it.
//!
//! Where an event goes is looked up when it is sent, so a webhook that was forgotten or pointed elsewhere gets nothing more at its
//! old place, and no message on the queue holds a URL or a key. Order within a webhook is the queue's doing; what may be called
//! is the integration's. A receiver can tell a repetition by its id, so a send whose answer was lost is recorded and repeated.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sallyport_kit::{NewWebhook, WebhookName, WebhookProblem};
use sallyport_queue::mailboxes::HeadPolicy;
use sallyport_queue::retry::Backoff;
use sallyport_queue::{Claimed, ErrorNote, Verdict};
use sallyport_security::Secret;
use sallyport_telemetry::{Chain, Event as _};
use sallyport_webhook::{
    Again, Client, Destination, Event, InvalidDestination, SendError, SetupError, SigningKey,
    UnfitKey,
};

use crate::delivery::ambiguous::{Ambiguities, Ambiguous};
use crate::events::SendTried;
use crate::pool::{Handled, Handler, KindPolicy, Run};

mod book;
pub mod outbound;
mod settings;

pub(crate) use book::{Book, forget};
use book::{Entry, Last, NewEntry};
use outbound::Outbound;
pub use settings::Settings;

/// Receivers are mended by people, who sleep: the waits add up to about a day.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(5),
    longest: Duration::from_secs(2 * 3_600),
};
/// Ten attempts within the first hour, then about one an hour.
const ATTEMPTS_MAX: u16 = 30;
/// Above the integration's own deadline of one delivery.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the kit's services need to point webhooks somewhere: the same client that sends.
#[derive(Clone)]
pub(crate) struct Webhooks {
    client: Client,
    /// The first is shown to people; all of them sign. None: this house sends no webhooks.
    secrets: Arc<[Secret]>,
}

impl Webhooks {
    pub(crate) fn open(settings: &Settings) -> Result<Self, SetupError> {
        let secrets = [&settings.secret, &settings.old_secret];
        let secrets = secrets.into_iter().filter(|secret| !secret.is_empty());
        Ok(Self {
            client: Client::open(&settings.client)?,
            secrets: secrets.cloned().collect(),
        })
    }

    /// What is to be remembered of a URL that somebody entered, and what is to be shown of it.
    pub(crate) fn point(
        &self,
        bot: &str,
        which: &WebhookName,
        url: &str,
    ) -> Result<(NewEntry, NewWebhook), WebhookProblem> {
        let secret = self.secrets.first().ok_or(WebhookProblem::NotSetUp)?;
        let destination = self.client.destination(url).map_err(problem)?;
        let entry = NewEntry::new(url.trim(), &destination);
        let key = SigningKey::derive(secret, &parts(bot, which, &entry.salt));
        let shown = NewWebhook {
            host: destination.host().to_owned(),
            key: key.expose().to_owned(),
        };
        Ok((entry, shown))
    }

    fn keys(
        &self,
        bot: &str,
        which: &WebhookName,
        entry: &Entry,
    ) -> Result<Vec<SigningKey>, UnfitKey> {
        let parts = parts(bot, which, &entry.salt);
        let keys = self.secrets.iter();
        keys.map(|secret| SigningKey::read(&SigningKey::derive(secret, &parts)))
            .collect()
    }
}

/// What a key belongs to.
fn parts<'a>(bot: &'a str, which: &'a WebhookName, salt: &'a [u8]) -> [&'a [u8]; 4] {
    [
        bot.as_bytes(),
        which.chat.0.as_bytes(),
        which.name.as_bytes(),
        salt,
    ]
}

fn problem(invalid: InvalidDestination) -> WebhookProblem {
    match invalid {
        InvalidDestination::TooLong => WebhookProblem::TooLong,
        InvalidDestination::Characters => WebhookProblem::Characters,
        InvalidDestination::Scheme { .. } => WebhookProblem::Scheme,
        InvalidDestination::NotAUrl => WebhookProblem::NotAUrl,
        InvalidDestination::UserInfo => WebhookProblem::UserInfo,
        InvalidDestination::Fragment => WebhookProblem::Fragment,
        InvalidDestination::Spelling { usual } => WebhookProblem::Spelling { usual },
        InvalidDestination::Port { allowed, .. } => WebhookProblem::Port { allowed },
        InvalidDestination::Address(_) => WebhookProblem::Address,
    }
}

/// Sends events to webhooks.
pub(crate) struct WebhookDelivery {
    webhooks: Webhooks,
    book: Book,
    ambiguities: Ambiguities,
    policy: KindPolicy,
}

impl WebhookDelivery {
    pub(crate) fn new(webhooks: Webhooks, book: Book, ambiguities: Ambiguities) -> Self {
        let policy = KindPolicy {
            deadline: DEADLINE,
            attempts_max: ATTEMPTS_MAX,
            backoff: BACKOFF,
            // What happened later is told later.
            head: HeadPolicy::Park,
            sends: true,
            newest_version: Some(outbound::KIND_VERSION),
            ..KindPolicy::default()
        };
        Self {
            webhooks,
            book,
            ambiguities,
            policy,
        }
    }

    async fn deliver(&self, message: &Claimed, outbound: Outbound) -> Handled {
        let (which, event) = outbound.event(message);
        let entry = match self.book.find(&message.bot, &which).await {
            Ok(Some(entry)) if entry.is_open => entry,
            Ok(Some(_) | None) => return nobody_wants_it(),
            Err(error) => {
                return Handled::retry(ErrorNote::new("database", Chain(&error).to_string()));
            }
        };
        let destination = match self.webhooks.client.destination(&entry.url) {
            Ok(destination) => destination,
            // It was taken once: the settings have become stricter.
            Err(invalid) => {
                self.note(message, &which, &entry, Last::Failed("invalid_url"))
                    .await;
                return dead(ErrorNote::new("invalid_url", invalid.to_string()));
            }
        };
        let keys = match self.webhooks.keys(&message.bot, &which, &entry) {
            Ok(keys) if !keys.is_empty() => keys,
            Ok(_) | Err(UnfitKey) => {
                let text = "No secret is set from which signing keys are made";
                return Handled::retry(ErrorNote::new("not_set_up", text));
            }
        };
        match self.send(message, &destination, &event, &keys).await {
            Ok(()) => {
                self.note(message, &which, &entry, Last::Taken).await;
                Handled::done()
            }
            Err(error) => {
                let last = match error.again() {
                    Again::Ended => Last::Ended,
                    Again::After(_) | Again::Never => Last::Failed(error.name()),
                };
                self.note(message, &which, &entry, last).await;
                ended_by(&error)
            }
        }
    }

    async fn send(
        &self,
        message: &Claimed,
        destination: &Destination,
        event: &Event,
        keys: &[SigningKey],
    ) -> Result<(), SendError> {
        let on_its_way = self.ambiguities.on_its_way(message);
        let sent = self.webhooks.client.send(destination, event, keys).await;
        on_its_way.arrived();
        let tried = match &sent {
            Ok(_) => SendTried::Sent,
            Err(SendError::Busy { .. }) => SendTried::Throttled,
            Err(SendError::NotSent { .. } | SendError::Unanswered { .. }) => SendTried::Failed,
            Err(_) => SendTried::Refused,
        };
        tried.emit(&self.ambiguities.meters);
        if let Err(error) = &sent
            && error.is_ambiguous()
        {
            let send = Ambiguous::of(message, "no good answer came to a send");
            self.ambiguities.record(send).await;
        }
        sent.map(|_| ())
    }

    /// For people who ask how it went. Nothing depends on it, so a failure of it fails nothing.
    async fn note(&self, message: &Claimed, which: &WebhookName, entry: &Entry, last: Last) {
        if let Err(error) = self.book.note(&message.bot, which, entry, last).await {
            tracing::warn!(name: "webhook.unnoted", { message.id = message.id.0, error = %Chain(&error) }, "How a webhook's delivery went could not be remembered");
        }
    }
}

#[async_trait]
impl Handler for WebhookDelivery {
    fn policy(&self) -> &KindPolicy {
        &self.policy
    }

    async fn handle(&self, message: Arc<Claimed>, _run: Run) -> Handled {
        match serde_json::from_slice::<Outbound>(&message.payload) {
            Ok(outbound) => self.deliver(&message, outbound).await,
            Err(error) => Handled::retry(ErrorNote::new("schema", error.to_string())),
        }
    }
}

fn ended_by(error: &SendError) -> Handled {
    let note = ErrorNote::new(error.name(), Chain(error).to_string());
    match error.again() {
        Again::After(after) => Verdict::Retry { after, error: note }.into(),
        Again::Never => dead(note),
        Again::Ended => nobody_wants_it(),
    }
}

fn dead(error: ErrorNote) -> Handled {
    Verdict::Dead { error }.into()
}

fn nobody_wants_it() -> Handled {
    Verdict::Cancelled {
        reason: "nobody wants it any more".to_owned(),
    }
    .into()
}
