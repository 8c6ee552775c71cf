//! What the house offers to one attempt at one message: the kit's `Services`, carried out.
//!
//! What a handler says, starts and remembers is collected here and becomes part of the message's settlement, or of
//! nothing. Only the typing sign, previews and model calls leave the house before that, because they may happen twice
//! without harm. Handlers never see this type; they see the kit's `Context`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use sallyport_kit::{
    AnswerSink, AnswerSlot, Attempt, Chat, ChatKind, Claim, Effect, Failure, House, ModelError,
    ModelStream, NewTask, NewWebhook, Person, Place, Posting, Prompt, Reading, ReplyButton, Role,
    Say, Services, StoredButton, Webhook, WebhookName, WebhookProblem, Who,
};
use sallyport_postgres::{Connection, Pool};
use sallyport_queue::{Claimed, Intake, NewMessage};
use sallyport_telemetry::trace;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::answers::Answers;
use crate::bots::Bot;
use crate::buttons::NewButton;
use crate::house::HouseOf;
use crate::persons::{Persons, owner};
use crate::pool::Run;
use crate::webhooks::{self, Book, Webhooks};

mod answering;
mod asking;
mod collected;

use answering::StreamedAnswer;

pub(crate) use collected::{Collected, Draft, TASK_VERSION};

/// Telegram forgets the typing sign after five seconds.
const TYPING_EVERY: Duration = Duration::from_secs(4);

/// What all attempts of this process share.
pub struct Shared {
    /// For what handlers read and look up.
    pub handlers: Pool,
    /// Where the beginning of a streamed answer is queued.
    pub intake: Intake,
    /// The models, if any are configured.
    pub models: sallyport_ai::Models,
    /// Streamed answers.
    pub answers: Arc<Answers>,
    /// Who is who.
    pub persons: Arc<Persons>,
    /// Where webhooks may lead.
    pub(crate) webhooks: Webhooks,
    /// Where they lead.
    pub(crate) book: Book,
    /// What operators may ask.
    pub house: crate::house::HouseKeeper,
    /// Short tasks that need not be waited for by an attempt, but by the process.
    pub tasks: TaskTracker,
    /// The shortest time between two previews in a private chat.
    pub preview_private: Duration,
    /// The same in a group.
    pub preview_group: Duration,
}

/// One attempt at one message.
pub(crate) struct AttemptServices {
    shared: Arc<Shared>,
    bot: Arc<Bot>,
    message: Arc<Claimed>,
    run: Run,
    chat_kind: ChatKind,
    house: HouseOf,
    collected: Arc<Mutex<Collected>>,
    previews: TaskTracker,
    stop_previews: CancellationToken,
    typing: CancellationToken,
    /// Ends the typing sign and the previews when the attempt ends, however it does.
    _over: DropGuard,
}

impl AttemptServices {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        bot: &Arc<Bot>,
        message: &Arc<Claimed>,
        run: Run,
        chat_kind: ChatKind,
    ) -> Self {
        let over = CancellationToken::new();
        Self {
            shared: Arc::clone(shared),
            bot: Arc::clone(bot),
            message: Arc::clone(message),
            run,
            chat_kind,
            house: HouseOf::new(shared.house.clone(), Arc::clone(bot)),
            collected: Arc::default(),
            previews: TaskTracker::new(),
            stop_previews: over.child_token(),
            typing: over.child_token(),
            _over: over.drop_guard(),
        }
    }

    /// Ends what goes on beside the handler and hands over what it caused. Waits for a preview that is on its way: it
    /// must not arrive after the final text.
    pub(crate) async fn close(&self) -> Collected {
        self.typing.cancel();
        self.previews.close();
        self.stop_previews.cancel();
        self.previews.wait().await;
        std::mem::take(&mut *self.collected.lock())
    }

    fn draft(&self) -> Draft<'_> {
        Draft {
            bot: &self.bot,
            message: &self.message,
            to_group: self.chat_kind == ChatKind::Group,
        }
    }

    fn collect(&self, made: Result<NewMessage, Failure>) {
        let mut collected = self.collected.lock();
        match made {
            Ok(message) => collected.outgoing.push(message),
            Err(failure) => collected.failure = Some(failure),
        }
    }
}

#[async_trait]
impl Services for AttemptServices {
    fn now(&self) -> Timestamp {
        self.message.now()
    }

    fn attempt(&self) -> Attempt {
        Attempt {
            number: self.run.attempt,
            max: self.run.attempts_max,
        }
    }

    fn support_code(&self) -> String {
        self.message.trace.trace_id.support_code().to_string()
    }

    fn progress(&self, done: u64, of: Option<u64>, note: &str) {
        self.run.progress(done, of, note);
    }

    fn say(&self, say: Say) {
        let buttons = buttons_of(&say);
        self.collected
            .lock()
            .buttons
            .extend(buttons.iter().flatten().cloned());
        self.collect(self.draft().say(say, buttons));
    }

    fn notice(&self, text: String) {
        self.collected.lock().notice = Some(text);
    }

    fn typing(&self, to: &Place) {
        let Ok(chat) = to.chat.0.parse::<i64>() else {
            return;
        };
        let topic = to.topic.as_deref().and_then(|topic| topic.parse().ok());
        let (bot, over) = (Arc::clone(&self.bot), self.typing.clone());
        let show = async move {
            loop {
                // Whether it showed or not: the next one comes in four seconds, and nobody waits for it.
                bot.api.show_typing(chat, topic).await.ok();
                tokio::time::sleep(TYPING_EVERY).await;
            }
        };
        self.shared.tasks.spawn(trace::carry(async move {
            over.run_until_cancelled(show).await;
        }));
    }

    fn start_task(&self, task: NewTask) {
        self.collect(self.draft().task(task));
    }

    fn remember(&self, effect: Effect) {
        self.collected.lock().effects.push(effect);
    }

    fn post(&self, posting: Posting) {
        self.collect(self.draft().post(posting));
    }

    fn point_webhook(&self, which: WebhookName, url: &str) -> Result<NewWebhook, WebhookProblem> {
        let (entry, shown) = self.shared.webhooks.point(&self.bot.name, &which, url)?;
        self.remember(entry.effect(&self.bot.name, which));
        Ok(shown)
    }

    fn forget_webhook(&self, which: WebhookName) {
        self.remember(webhooks::forget(&self.bot.name, which));
    }

    async fn webhook(&self, which: &WebhookName) -> Result<Option<Webhook>, Failure> {
        let seen = self.shared.book.seen(&self.bot.name, which).await;
        seen.map_err(|error| {
            Failure::passing("database", "The webhook could not be looked up").caused_by(error)
        })
    }

    async fn read(&self) -> Result<Reading, Failure> {
        let connection = self.shared.handlers.get().await.map_err(|error| {
            Failure::passing("database", "No connection to read the app's tables").caused_by(error)
        })?;
        Ok(Box::new(Lent(connection)))
    }

    async fn ask_model(&self, prompt: Prompt) -> Result<ModelStream, ModelError> {
        if !self.bot.uses_model {
            return Err(ModelError::NotConfigured);
        }
        asking::ask(&self.shared.models, prompt).await
    }

    async fn open_answer(&self, slot: AnswerSlot) -> Result<Box<dyn AnswerSink>, Failure> {
        self.typing(&slot.place);
        let answer = StreamedAnswer::open(self, slot).await?;
        Ok(Box::new(answer))
    }

    async fn claim_ownership(&self, person: &Person, code: &str) -> Result<Claim, Failure> {
        let claim = owner::claim(&self.shared.handlers, &self.bot.name, person.id, code)
            .await
            .map_err(|error| {
                Failure::passing("database", "The owner code could not be looked up")
                    .caused_by(error)
            })?;
        self.shared.persons.changed(person.id);
        Ok(claim)
    }

    async fn owners(&self) -> Result<Vec<(Person, Chat)>, Failure> {
        owner::of_bot(&self.shared.handlers, &self.bot.name)
            .await
            .map_err(|error| {
                Failure::passing("database", "The owners could not be looked up").caused_by(error)
            })
    }

    fn house(&self) -> &dyn House {
        &self.house
    }
}

/// Gives every button of a reply an id; the meanings are stored with the settlement.
fn buttons_of(say: &Say) -> Vec<Vec<NewButton>> {
    let now = Timestamp::now();
    let button = |button: &ReplyButton| {
        NewButton::new(StoredButton {
            name: button.name.clone(),
            payload: button.payload.clone(),
            // The kit fills it in; a button that nobody may press is the safe reading of one that it forgot.
            who: button.who.unwrap_or(Who::Role(Role::Owner)),
            expires_at: now.checked_add(button.expires_in).unwrap_or(Timestamp::MAX),
        })
    };
    let rows = say.reply.buttons.iter();
    rows.map(|row| row.iter().map(button).collect()).collect()
}

/// A connection of the handlers' pool, lent to an app for reading.
struct Lent(Connection);

impl std::ops::Deref for Lent {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
