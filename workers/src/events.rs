//! What happens in the workers outside of the pool, one struct per thing.
//!
//! The story of a single message is told by its rows and spans; here stands what concerns a bot, a send or a worker.

use sallyport_telemetry::catalogue::{Label, Metric};
use sallyport_telemetry::metrics::Counter;
use sallyport_telemetry::{Chain, Event, counter};

/// To whom something is sent, as labels name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    /// A chat.
    Telegram,
    /// An address that a person has entered.
    Webhook,
}

impl Provider {
    const fn name(self) -> &'static str {
        match self {
            Self::Telegram => "telegram",
            Self::Webhook => "webhook",
        }
    }
}

/// The handles that sends move, resolved once.
pub(crate) struct SendMeters {
    sent: Counter,
    refused: Counter,
    failed: Counter,
    throttled_chat: Counter,
    throttled_by_us: Counter,
    ambiguous: Counter,
}

impl SendMeters {
    /// Resolves the handles.
    #[must_use]
    pub(crate) fn new(provider: Provider) -> Self {
        let provider = provider.name();
        let attempts = |outcome| {
            counter(
                Metric::OutboundAttempts,
                &[(Label::Provider, provider), (Label::Outcome, outcome)],
            )
        };
        let throttled = |scope| {
            counter(
                Metric::OutboundThrottled,
                &[(Label::Provider, provider), (Label::Scope, scope)],
            )
        };
        Self {
            sent: attempts("sent"),
            refused: attempts("refused"),
            failed: attempts("failed"),
            throttled_chat: throttled("chat"),
            throttled_by_us: throttled("own_pace"),
            ambiguous: counter(
                Metric::OutboundAmbiguous,
                &[(Label::Provider, provider), (Label::Policy, "resend")],
            ),
        }
    }
}

/// One call of a send ended.
pub(crate) enum SendTried {
    /// It was taken.
    Sent,
    /// It was refused.
    Refused,
    /// Nobody answered, or not as they should.
    Failed,
    /// We were told to wait.
    Throttled,
    /// Our own pace said to wait; nothing was called.
    Paced,
}

impl Event for SendTried {
    type Meters = SendMeters;

    fn emit(&self, meters: &SendMeters) {
        match self {
            Self::Sent => meters.sent.increment(),
            Self::Refused => meters.refused.increment(),
            Self::Failed => meters.failed.increment(),
            Self::Throttled => {
                meters.refused.increment();
                meters.throttled_chat.increment();
            }
            Self::Paced => meters.throttled_by_us.increment(),
        }
    }
}

/// A send may have arrived although nobody knows: it will be repeated, and a person may see it twice.
pub(crate) struct SendAmbiguous<'a> {
    /// The message of the queue.
    pub(crate) message: i64,
    /// How it came to be unknown.
    pub(crate) reason: &'a str,
}

impl Event for SendAmbiguous<'_> {
    type Meters = SendMeters;

    fn emit(&self, meters: &SendMeters) {
        meters.ambiguous.increment();
        tracing::warn!(name: "send.ambiguous", { message.id = self.message, reason = self.reason }, "Send may have arrived twice");
    }
}

/// A bot's token was refused: it sends nothing until it is valid again.
pub(crate) struct BotPaused<'a> {
    /// The bot.
    pub(crate) bot: &'a str,
}

impl Event for BotPaused<'_> {
    type Meters = ();

    fn emit(&self, (): &()) {
        tracing::error!(name: "bot.paused", { bot = self.bot }, "Bot pauses because its token was refused");
    }
}

/// A paused bot's token is accepted again.
pub(crate) struct BotResumed<'a> {
    /// The bot.
    pub(crate) bot: &'a str,
}

impl Event for BotResumed<'_> {
    type Meters = ();

    fn emit(&self, (): &()) {
        tracing::info!(name: "bot.resumed", { bot = self.bot }, "Bot goes on");
    }
}

/// Something around a bot failed that will be tried again by itself.
pub(crate) struct BotTrouble<'a> {
    /// The bot.
    pub(crate) bot: &'a str,
    /// What was attempted, as a few fixed words.
    pub(crate) attempted: &'static str,
    /// What went wrong.
    pub(crate) error: &'a (dyn std::error::Error + 'static),
}

impl Event for BotTrouble<'_> {
    type Meters = ();

    fn emit(&self, (): &()) {
        tracing::warn!(
            name: "bot.trouble",
            { bot = self.bot, attempted = self.attempted, error = %Chain(self.error) },
            "Bot has trouble and tries again"
        );
    }
}

/// This process asks Telegram for a bot's updates from now on.
pub(crate) struct PollingBegan<'a> {
    /// The bot.
    pub(crate) bot: &'a str,
}

impl Event for PollingBegan<'_> {
    type Meters = ();

    fn emit(&self, (): &()) {
        tracing::info!(name: "polling.began", { bot = self.bot }, "Polling for updates");
    }
}
