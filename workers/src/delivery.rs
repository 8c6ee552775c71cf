//! Saying what waits to be said: the handler of `telegram.send` (law L8).
//!
//! One message of the queue is one thing on the screen, however many parts it takes. Order within a chat is the queue's
//! doing; here it is decided whether it may go now, what a refusal means and what to remember so that a retry goes on
//! where the last attempt stopped. Telegram has no idempotency, so a send whose answer was lost is recorded as ambiguous
//! and repeated: a person would rather read something twice than never.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sallyport_kit::Markup;
use sallyport_queue::mailboxes::HeadPolicy;
use sallyport_queue::retry::Backoff;
use sallyport_queue::{Claimed, ErrorNote, Verdict};
use sallyport_telegram::{Formatted, TEXT_UNITS_MAX, format_complete, plain, split};
use sallyport_telemetry::{Chain, Event};

use crate::answers::Answers;
use crate::bots::{Bot, Bots, unknown_bot};
use crate::events::SendTried;
use crate::pool::{Handled, Handler, KindPolicy, Run};

pub(crate) mod ambiguous;
pub mod outbound;
pub mod pacing;
#[cfg(feature = "fail-points")]
mod planted;
pub(crate) mod queued;
mod remedy;
mod screen;
mod sent;

use ambiguous::{Ambiguities, Ambiguous};
use outbound::Outbound;
use pacing::{Step, Turn};
use remedy::PAUSE;
pub(crate) use remedy::PAUSE as REFUSED_TOKEN_PAUSE;
pub use screen::StoreError;
use screen::{Obstacle, Screen};
pub use sent::SentParts;

/// A wait this short is waited for here; a longer one goes back to the queue so that it occupies nobody.
const WAIT_HERE_MAX: Duration = Duration::from_millis(40);
/// A person waits for it: when Telegram is back after an outage, everybody hears within a minute what was to be said.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
};
/// About an hour, on the average: an answer from yesterday helps nobody.
const ATTEMPTS_MAX: u16 = 120;
/// Several parts at the slow pace of a group still fit.
const DEADLINE: Duration = Duration::from_secs(60);

/// Says things on Telegram.
pub struct Delivery {
    bots: Bots,
    answers: Arc<Answers>,
    ambiguities: Ambiguities,
    policy: KindPolicy,
}

impl Delivery {
    /// A handler for all bots.
    #[must_use]
    pub(crate) fn new(bots: Bots, answers: Arc<Answers>, ambiguities: Ambiguities) -> Self {
        let policy = KindPolicy {
            deadline: DEADLINE,
            attempts_max: ATTEMPTS_MAX,
            backoff: BACKOFF,
            // What is said next in a chat waits for what was to be said before it.
            head: HeadPolicy::Park,
            sends: true,
            newest_version: Some(outbound::KIND_VERSION),
            ..KindPolicy::default()
        };
        Self {
            bots,
            answers,
            ambiguities,
            policy,
        }
    }

    async fn deliver(&self, bot: &Arc<Bot>, message: &Claimed, outbound: Outbound) -> Handled {
        if bot.is_paused() && !self.token_is_accepted_again(bot).await {
            return Verdict::Snooze { for_: PAUSE }.into();
        }
        let parts = parts_of(&outbound.text);
        let mut screen = Screen::new(self, bot, message, outbound);
        let shown = screen.show(&parts).await;
        #[cfg(feature = "fail-points")]
        sallyport_telemetry::points::reach(sallyport_telemetry::points::Point::K8).await;
        match shown {
            Ok(()) => Handled::done(),
            Err(obstacle) => self.ended_by(bot, message, &screen, obstacle).await,
        }
    }

    async fn ended_by(
        &self,
        bot: &Bot,
        message: &Claimed,
        screen: &Screen<'_>,
        obstacle: Obstacle,
    ) -> Handled {
        match obstacle {
            Obstacle::Wait(for_) => Verdict::Snooze { for_ }.into(),
            Obstacle::Paused => {
                bot.pause();
                Verdict::Snooze { for_: PAUSE }.into()
            }
            Obstacle::Unreachable => Handled {
                effects: Some(sent::chat_is_unreachable(&bot.name, screen.chat())),
                ..Verdict::Cancelled {
                    reason: "the chat cannot be reached".to_owned(),
                }
                .into()
            },
            Obstacle::Call { error, ambiguous } => {
                if ambiguous {
                    // Recorded before the repetition, so that no double is without its record.
                    let send = Ambiguous::of(message, "no answer came to a send");
                    self.ambiguities.record(send).await;
                    bot.unreachable("no answer to a send");
                }
                Handled::retry(ErrorNote::new(error.name(), Chain(&error).to_string()))
            }
            Obstacle::GiveUp(error) => Verdict::Dead {
                error: ErrorNote::new(error.name(), Chain(&error).to_string()),
            }
            .into(),
            Obstacle::Store(error) => {
                Handled::retry(ErrorNote::new("database", Chain(&error).to_string()))
            }
        }
    }

    /// A paused bot asks who it is before it sends: cheaper than a send that is refused.
    async fn token_is_accepted_again(&self, bot: &Bot) -> bool {
        let asked = Instant::now();
        match bot.api.me().await {
            Ok(_) => {
                bot.answered(asked.elapsed());
                true
            }
            Err(_) => false,
        }
    }

    /// Waits for a turn when it comes at once, else says how long it takes.
    async fn turn(&self, bot: &Bot, step: Step) -> Result<(), Duration> {
        loop {
            match bot.turn(step, Instant::now()).await {
                Turn::Go => return Ok(()),
                Turn::Wait(wait) if wait <= WAIT_HERE_MAX => tokio::time::sleep(wait).await,
                Turn::Wait(wait) => {
                    SendTried::Paced.emit(&self.ambiguities.meters);
                    return Err(wait);
                }
            }
        }
    }
}

#[async_trait]
impl Handler for Delivery {
    fn policy(&self) -> &KindPolicy {
        &self.policy
    }

    async fn handle(&self, message: Arc<Claimed>, _run: Run) -> Handled {
        let outbound = match serde_json::from_slice::<Outbound>(&message.payload) {
            Ok(outbound) => outbound,
            Err(error) => return Handled::retry(ErrorNote::new("schema", error.to_string())),
        };
        #[cfg(feature = "fail-points")]
        if let Some(handled) = self.planted(&message, &outbound).await {
            return handled;
        }
        match self.bots.get(&message.bot) {
            Some(bot) => self.deliver(bot, &message, outbound).await,
            None => unknown_bot(),
        }
    }
}

/// The words, formatted and cut. The same in every attempt.
fn parts_of(text: &Markup) -> Vec<Formatted> {
    let formatted = match text {
        Markup::Plain(text) => plain(text),
        Markup::Markdown(text) => format_complete(text),
    };
    split(&formatted, TEXT_UNITS_MAX)
}
