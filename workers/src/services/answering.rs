//! One streamed answer: begun through the queue, shown by previews, ended by the settlement.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use sallyport_kit::{AnswerSink, AnswerSlot, ChatKind, Failure, Reply, Say};
use sallyport_telemetry::trace;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::collected::{Collected, Draft, number};
use super::{AttemptServices, Shared};
use crate::answers::Spot;
use crate::answers::preview::Preview;
use crate::bots::Bot;
use crate::buttons::NewButton;
use crate::delivery::StoreError;
use crate::delivery::outbound::{AnswerName, Form};
use sallyport_queue::Claimed;

/// An answer that is being written.
pub(super) struct StreamedAnswer {
    shared: Arc<Shared>,
    bot: Arc<Bot>,
    message: Arc<Claimed>,
    slot: AnswerSlot,
    name: AnswerName,
    chat: i64,
    to_group: bool,
    /// Whether something of it was on the screen when it was opened.
    is_shown: bool,
    latest: Option<watch::Sender<String>>,
    collected: Arc<Mutex<Collected>>,
    previews: TaskTracker,
    stop_previews: CancellationToken,
    typing: CancellationToken,
}

impl StreamedAnswer {
    pub(super) async fn open(
        services: &AttemptServices,
        slot: AnswerSlot,
    ) -> Result<Self, Failure> {
        let chat = number(&slot.place.chat.0)?;
        let name = AnswerName {
            app: slot.app.to_owned(),
            slot: slot.slot.clone(),
        };
        let shown = services
            .shared
            .answers
            .messages(&services.bot.name, chat, &name)
            .await
            .map_err(not_found)?;
        Ok(Self {
            shared: Arc::clone(&services.shared),
            bot: Arc::clone(&services.bot),
            message: Arc::clone(&services.message),
            slot,
            name,
            chat,
            to_group: services.chat_kind == ChatKind::Group,
            is_shown: !shown.is_empty(),
            latest: None,
            collected: Arc::clone(&services.collected),
            previews: services.previews.clone(),
            stop_previews: services.stop_previews.clone(),
            typing: services.typing.clone(),
        })
    }

    fn draft(&self) -> Draft<'_> {
        Draft {
            bot: &self.bot,
            message: &self.message,
            to_group: self.to_group,
        }
    }

    fn say(&self, reply: Reply) -> Say {
        Say {
            chat: self.slot.place.chat.clone(),
            topic: self.slot.place.topic.clone(),
            quote: self.slot.place.message.clone(),
            replaces: None,
            reply,
        }
    }

    /// Queues the first message, once for this answer however often the attempt is repeated.
    async fn begin(&self, markdown: &str) -> Result<(), Failure> {
        let say = self.say(Reply::markdown(markdown));
        let mut first =
            self.draft()
                .answer(say, Vec::new(), Form::AnswerBegins, self.name.clone())?;
        first.source = format!("answers:{}", self.bot.name);
        first.delivery_id = Some(format!(
            "{}:{}:{}",
            self.chat, self.name.app, self.name.slot
        ));
        self.shared.intake.accept(first).await.map_err(|error| {
            Failure::passing("queue", "The answer's first message could not be queued")
                .caused_by(error)
        })?;
        Ok(())
    }

    fn show_previews(&self, first: &str) -> watch::Sender<String> {
        let (latest, shown) = watch::channel(first.to_owned());
        let preview = Preview {
            answers: Arc::clone(&self.shared.answers),
            bot: Arc::clone(&self.bot),
            spot: Spot {
                bot: self.bot.name.clone(),
                chat: self.chat,
                name: self.name.clone(),
            },
            to_group: self.to_group,
            every: if self.to_group {
                self.shared.preview_group
            } else {
                self.shared.preview_private
            },
            typing: self.typing.clone(),
        };
        self.previews
            .spawn(trace::carry(preview.run(shown, self.stop_previews.clone())));
        latest
    }
}

#[async_trait]
impl AnswerSink for StreamedAnswer {
    async fn preview(&mut self, markdown: &str) -> Result<(), Failure> {
        if markdown.trim().is_empty() {
            return Ok(());
        }
        match &self.latest {
            Some(latest) => {
                latest.send_replace(markdown.to_owned());
            }
            None => {
                if !self.is_shown {
                    self.begin(markdown).await?;
                }
                self.collected.lock().shows = true;
                self.latest = Some(self.show_previews(markdown));
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>, reply: Reply) {
        let say = self.say(reply);
        let buttons: Vec<Vec<NewButton>> = super::buttons_of(&say);
        let made = self
            .draft()
            .answer(say, buttons.clone(), Form::AnswerIs, self.name.clone());
        let mut collected = self.collected.lock();
        collected.buttons.extend(buttons.into_iter().flatten());
        match made {
            Ok(message) => collected.outgoing.push(message),
            Err(failure) => collected.failure = Some(failure),
        }
    }
}

fn not_found(error: StoreError) -> Failure {
    Failure::passing("database", "The answer's messages could not be looked up").caused_by(error)
}
