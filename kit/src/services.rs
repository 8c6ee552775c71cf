//! The one interface that the workers implement for apps: everything a handler can cause or ask.
//!
//! One value serves one attempt at one message. What is said, started and remembered through it is *collected*, and committed
//! together with the end of the message, once, in the order of the calls; an attempt that fails leaves none of it behind.
//! Apps never see this trait: [`Context`](crate::Context) offers it as verbs.

use std::{ops::Deref, time::Duration};

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio_postgres::{Client, Transaction};

use crate::{
    Chat, ChatId, Failure, House, Incoming, MessageRef, ModelError, ModelStream, NewWebhook,
    Person, Posting, Prompt, Reply, Say, Webhook, WebhookName, WebhookProblem,
};

/// A change of an app's own tables, run inside the transaction that ends the message. It must not call outside services; the
/// whole transaction has five seconds. When it fails nothing of the attempt is kept, and the failure decides about the next one.
pub type Effect =
    Box<dyn for<'t> FnOnce(&'t Transaction<'t>) -> BoxFuture<'t, Result<(), Failure>> + Send>;

/// A connection for reading an app's own tables. It goes back to its pool when dropped; a handler holds at most one.
pub type Reading = Box<dyn Deref<Target = Client> + Send + Sync>;

/// What the house offers to one attempt at one message.
#[async_trait]
pub trait Services: Send + Sync {
    /// The time, by the clock that decides lateness.
    fn now(&self) -> Timestamp;

    /// Which attempt this is.
    fn attempt(&self) -> Attempt;

    /// The short form of this message's trace id, as people quote it: `K7QF-3M2X`.
    fn support_code(&self) -> String;

    /// Says how far long work has come; see [`Context::progress`](crate::Context::progress). Nobody has to listen.
    fn progress(&self, _done: u64, _of: Option<u64>, _note: &str) {}

    /// Collects a reply.
    fn say(&self, say: Say);

    /// Collects the short notice that the presser of a button sees; the last one wins. Without one the press is confirmed silently.
    fn notice(&self, text: String);

    /// Shows that the bot is writing, from now until the attempt ends or text shows. Never queued, never fails.
    fn typing(&self, to: &Place);

    /// Collects a task, or a reminder when it has a delay.
    fn start_task(&self, task: NewTask);

    /// Collects a change of the app's own tables.
    fn remember(&self, effect: Effect);

    /// Collects an event for a webhook. Where there is none, it ends as cancelled.
    fn post(&self, posting: Posting);

    /// Collects that a webhook leads to this URL from now on, with a key of its own.
    ///
    /// # Errors
    /// When the URL is not one that may be called; then everything stays as it was.
    fn point_webhook(&self, which: WebhookName, url: &str) -> Result<NewWebhook, WebhookProblem>;

    /// Collects that a webhook leads nowhere any more.
    fn forget_webhook(&self, which: WebhookName);

    /// A webhook as it stands, if there is one.
    ///
    /// # Errors
    /// A passing failure when it cannot be looked up.
    async fn webhook(&self, which: &WebhookName) -> Result<Option<Webhook>, Failure>;

    /// A connection for reading the app's own tables.
    ///
    /// # Errors
    /// A passing failure when none is free in time.
    async fn read(&self) -> Result<Reading, Failure>;

    /// Asks a model; returns when its first piece is there or it failed. Deadlines and retries are inside.
    ///
    /// # Errors
    /// When no model answers.
    async fn ask_model(&self, prompt: Prompt) -> Result<ModelStream, ModelError>;

    /// Opens the streamed answer kept under this slot of this chat. The same slot means the same message on the screen: a
    /// retry goes on with it, a new answer to an edited question replaces it. Shows typing until text shows.
    ///
    /// # Errors
    /// A passing failure when the slot cannot be looked up.
    async fn open_answer(&self, slot: AnswerSlot) -> Result<Box<dyn AnswerSink>, Failure>;

    /// Makes the person the bot's owner, if the code is the one that the start printed and nobody used it yet.
    ///
    /// # Errors
    /// A passing failure when it cannot be looked up.
    async fn claim_ownership(&self, person: &Person, code: &str) -> Result<Claim, Failure>;

    /// The bot's owners who can be written to, each with their private chat.
    ///
    /// # Errors
    /// A passing failure when they cannot be looked up.
    async fn owners(&self) -> Result<Vec<(Person, Chat)>, Failure>;

    /// The state of the house, for operators.
    fn house(&self) -> &dyn House;
}

/// Where to speak, and in answer to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The chat.
    pub chat: ChatId,
    /// The topic inside it.
    pub topic: Option<String>,
    /// The message that is answered.
    pub message: Option<MessageRef>,
}

/// Which attempt at a message this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Counts from 1.
    pub number: u16,
    /// The last one there will be.
    pub max: u16,
}

impl Attempt {
    /// Whether a failure now is final, so that the person must be told here.
    #[must_use]
    pub fn is_last(self) -> bool {
        self.number >= self.max
    }
}

/// A task to start, as the kit hands it to the services. The queue's kind is `task.<app>.<name>`.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTask {
    /// The app it belongs to.
    pub app: &'static str,
    /// The trigger's name.
    pub name: String,
    /// Tasks of one key run one after another; the kit puts bot and chat in front: `ask:<bot>:<chat>`.
    pub key: String,
    /// The whole call: its [`What::Task`](crate::What::Task) names the task. Serialised, it is the message's payload; what
    /// comes back goes into [`App::handle`](crate::App::handle).
    pub call: Incoming,
    /// Not before this long from now. Beyond 24 hours it becomes a schedule.
    pub delay: Duration,
    /// That only one of these may wait.
    pub once: Option<Once>,
}

/// That only one task of a name may wait; what runs already does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// What they have in common, within their kind and chat. At most 128 bytes.
    pub name: String,
    /// What becomes of a repeat.
    pub again: Again,
}

/// What becomes of a task when one of its name waits already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The one that waits stays.
    Leave,
    /// It takes the place of the one that waits and starts its own delay later, but no later than this after the first.
    Later {
        /// The longest that repeats can push the start back; at most a day.
        longest: Duration,
    },
}

/// Which streamed answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerSlot {
    /// The app it belongs to.
    pub app: &'static str,
    /// The name that the handler gave it, unique in its chat.
    pub slot: String,
    /// Where it appears; it quotes `place.message`.
    pub place: Place,
}

/// Where a streamed answer goes.
#[async_trait]
pub trait AnswerSink: Send {
    /// Shows the answer so far. The first call creates the message and may wait for one commit; later ones replace each other
    /// and may be dropped. Never waits for the provider.
    ///
    /// # Errors
    /// A passing failure when the message could not be created.
    async fn preview(&mut self, markdown: &str) -> Result<(), Failure>;

    /// Collects the last form, like [`Services::say`]. Too long an answer continues in replies to its first message.
    fn finish(self: Box<Self>, reply: Reply);
}

/// How a claim of ownership ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The person is the owner now.
    Granted,
    /// The code is unknown, too old, or used by somebody else.
    Refused,
    /// The person owns the bot already.
    AlreadyOwner,
}
