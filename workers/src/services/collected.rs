//! What an attempt caused, on its way into the settlement.

use bytes::Bytes;
use sallyport_kit::{Again, Effect, Ended, Failure, NewTask, Once, Posting, Say};
use sallyport_queue::{
    Claimed, Effects, EffectsError, Key, NewMessage, PayloadFormat, Priority, Unique, UniqueMode,
    Verdict,
};
use sallyport_telemetry::trace::{self, SpanContext, SpanKind};

use crate::bots::Bot;
use crate::buttons::{self, NewButton};
use crate::conversation::verdict_of_failure;
use crate::delivery::outbound::{AnswerName, Form, Outbound, OutboundButton};
use crate::pool::Handled;
use crate::webhooks;

/// Version of the payload of tasks: an incoming message of the kit as JSON.
pub(crate) const TASK_VERSION: u16 = 1;

/// Everything that is committed together with the end of a message, or not at all.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) outgoing: Vec<NewMessage>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) buttons: Vec<NewButton>,
    pub(crate) notice: Option<String>,
    /// Part of an answer is on the screen, so the person sees that it goes on.
    pub(crate) shows: bool,
    /// Something could not be collected, so the attempt failed.
    pub(crate) failure: Option<Failure>,
}

impl Collected {
    /// How an attempt ended, now that it is known whether everything it asked for could be collected.
    pub(crate) fn judge(&mut self, ended: Ended) -> Ended {
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => ended,
        }
    }

    /// The verdict with everything that was collected.
    pub(crate) fn handled(mut self, bot: &str, verdict: Verdict) -> Handled {
        let effects = self.effects(bot);
        Handled {
            verdict,
            outgoing: self.outgoing,
            effects,
        }
    }

    /// The state changes as one effect, or none when there are none: a message without is settled in a batch.
    fn effects(&mut self, bot: &str) -> Option<Effects> {
        let effects = std::mem::take(&mut self.effects);
        let buttons = std::mem::take(&mut self.buttons);
        if effects.is_empty() && buttons.is_empty() {
            return None;
        }
        let bot = bot.to_owned();
        Some(Box::new(move |transaction| {
            Box::pin(async move {
                buttons::store(transaction, &bot, &buttons).await?;
                for effect in effects {
                    effect(transaction)
                        .await
                        .map_err(|failure| EffectsError::Refused {
                            verdict: Box::new(verdict_of_failure(&failure)),
                        })?;
                }
                Ok(())
            })
        }))
    }
}

/// Makes messages that the handling of another one causes.
pub(crate) struct Draft<'a> {
    pub(crate) bot: &'a Bot,
    pub(crate) message: &'a Claimed,
    pub(crate) to_group: bool,
}

impl Draft<'_> {
    /// A reply.
    pub(crate) fn say(
        &self,
        say: Say,
        buttons: Vec<Vec<NewButton>>,
    ) -> Result<NewMessage, Failure> {
        let form = match &say.replaces {
            Some(message) => Form::Edit {
                message: number(&message.0)?,
            },
            None => Form::New,
        };
        self.outbound(say, buttons, form)
    }

    /// The beginning or the whole of a streamed answer.
    pub(crate) fn answer(
        &self,
        say: Say,
        buttons: Vec<Vec<NewButton>>,
        form: impl FnOnce(AnswerName) -> Form,
        name: AnswerName,
    ) -> Result<NewMessage, Failure> {
        self.outbound(say, buttons, form(name))
    }

    fn outbound(
        &self,
        say: Say,
        buttons: Vec<Vec<NewButton>>,
        form: Form,
    ) -> Result<NewMessage, Failure> {
        let labels = say.reply.buttons.iter();
        let outbound = Outbound {
            chat: number(&say.chat.0)?,
            to_group: self.to_group,
            topic: say.topic.as_deref().map(number).transpose()?,
            quote: say
                .quote
                .as_ref()
                .map(|quote| number(&quote.0))
                .transpose()?,
            text: say.reply.text.clone(),
            buttons: labels
                .zip(buttons)
                .map(|(labels, buttons)| {
                    labels
                        .iter()
                        .zip(buttons)
                        .map(|(label, button)| OutboundButton {
                            label: label.label.clone(),
                            data: button.data(),
                        })
                        .collect()
                })
                .collect(),
            form,
        };
        let message = outbound.message(&self.bot.name, self.produced("send telegram.send"))?;
        Ok(self.caused(message))
    }

    /// An event for a webhook.
    pub(crate) fn post(&self, posting: Posting) -> Result<NewMessage, Failure> {
        let outbound = webhooks::outbound::Outbound::of(posting, self.message.now());
        let message = outbound.message(&self.bot.name, self.produced("send webhook.send"))?;
        Ok(self.caused(message))
    }

    /// A task.
    pub(crate) fn task(&self, task: NewTask) -> Result<NewMessage, Failure> {
        let kind = format!("task.{}.{}", task.app, task.name);
        let trace = self.produced(&format!("send {kind}"));
        let unique = task
            .once
            .map(|once| unique(&kind, &task.call.chat.id.0, once));
        Ok(self.caused(NewMessage {
            bot: self.bot.name.clone(),
            tenant: self.message.tenant.to_string(),
            source: format!("task:{}", self.bot.name),
            delivery_id: None,
            kind,
            kind_version: TASK_VERSION,
            key: Key::from(task.key),
            priority: Priority::Interactive,
            payload: Bytes::from(serde_json::to_vec(&task.call)?),
            payload_format: PayloadFormat::Json,
            subject: None,
            cause: None,
            trace,
            edge_spans: None,
            delay: (!task.delay.is_zero()).then_some(task.delay),
            expires_in: None,
            unique,
        }))
    }

    fn caused(&self, message: NewMessage) -> NewMessage {
        NewMessage {
            tenant: self.message.tenant.to_string(),
            subject: self.message.subject.clone(),
            cause: Some(self.message.id),
            ..message
        }
    }

    /// The span under which the caused message will be handled.
    fn produced(&self, name: &str) -> SpanContext {
        let mut span = trace::start(name.to_owned(), SpanKind::Producer);
        span.set("messaging.system", "sallyport");
        span.context().unwrap_or_else(|| self.message.trace.child())
    }
}

/// One of a kind waits in a chat under the name that the app gave it.
fn unique(kind: &str, chat: &str, once: Once) -> Unique {
    Unique {
        name: format!("{kind}:{chat}:{}", once.name),
        mode: match once.again {
            Again::Leave => UniqueMode::Ignore,
            Again::Later { longest } => UniqueMode::Debounce { longest },
        },
    }
}

/// The provider's ids are numbers that the kit carries as text.
pub(crate) fn number<N: std::str::FromStr>(text: &str) -> Result<N, Failure> {
    text.parse()
        .map_err(|_| Failure::lasting("address", "The id of a chat or message is no number"))
}
