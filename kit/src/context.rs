//! What a handler gets: verbs for everything it may cause or ask, already knowing who is speaking, where, and in which language.

mod inner;
mod webhooks;

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio_postgres::Transaction;

use crate::{
    Again, Answer, Args, Attempt, Button, Chat, ChatKind, Claim, CommandLine, Failure, House,
    Incoming, Language, MessageRef, ModelError, ModelStream, NewTask, Once, Outcome, Person,
    Prompt, Quoted, Rate, Reading, Reply, ReplyButton, Role, Services, Task, TaskCall, Us,
    app::Shell, pace::Pace, services::AnswerSlot,
};

/// The queue keeps a unique message no longer than this.
const UNIQUE_WAITS_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// With kind and chat in front it still fits the queue.
const UNIQUE_NAME_BYTES_MAX: usize = 128;

/// A guest reads this often at most that the bot is private.
const TURNED_AWAY: Rate = Rate::per_hour(1);

/// One attempt at one message, as its handler sees it.
///
/// What is said, started and remembered is collected and committed once, together with the end of the message. Dropping a
/// context, or failing, leaves nothing of it behind.
#[derive(Clone)]
pub struct Context {
    shell: Arc<Shell>,
    incoming: Arc<Incoming>,
    services: Arc<dyn Services>,
}

impl Context {
    pub(crate) fn new(shell: Arc<Shell>, incoming: Incoming, services: Arc<dyn Services>) -> Self {
        Self {
            shell,
            incoming: Arc::new(incoming),
            services,
        }
    }

    // --- Who and where ---

    /// Who is speaking.
    #[must_use]
    pub fn person(&self) -> &Person {
        &self.incoming.person
    }

    /// Where.
    #[must_use]
    pub fn chat(&self) -> &Chat {
        &self.incoming.chat
    }

    /// Which bot is spoken to.
    #[must_use]
    pub fn us(&self) -> &Us {
        &self.incoming.us
    }

    /// The message that is handled, or from which a task was started.
    #[must_use]
    pub fn message(&self) -> Option<&MessageRef> {
        self.incoming.message.as_ref()
    }

    /// The message that it replies to.
    #[must_use]
    pub fn quoted(&self) -> Option<&Quoted> {
        self.incoming.quoted.as_ref()
    }

    /// The language in which the person is answered.
    #[must_use]
    pub fn language(&self) -> Language {
        self.incoming.person.language
    }

    /// Whether the person may do what this role may. Who hides their name is a member at most.
    #[must_use]
    pub fn may(&self, role: Role) -> bool {
        self.incoming.known_role() >= role
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.services.now()
    }

    /// Which attempt this is.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        self.services.attempt()
    }

    /// The short form of this message's trace id, for people to quote.
    #[must_use]
    pub fn support_code(&self) -> String {
        self.services.support_code()
    }

    /// Tells operators how far long work has come: so much of so much, if that is known, and a few words without anything
    /// personal in them. Cheap: it may be called for every item of a long list. The person sees nothing of it.
    pub fn progress(&self, done: u64, of: Option<u64>, note: &str) {
        self.services.progress(done, of, note);
    }

    // --- Words ---

    /// A text in the person's language.
    #[must_use]
    pub fn text(&self, id: &str, args: &Args<'_>) -> String {
        self.shell.texts.get(self.language(), id, args)
    }

    /// The lines of a status report in the person's language; the first is the verdict.
    #[must_use]
    pub fn status_lines(&self, report: &crate::StatusReport) -> Vec<String> {
        report.lines(&self.shell.texts, self.language())
    }

    /// The lines of a story in the person's language; the first says how it ended.
    #[must_use]
    pub fn story_lines(&self, story: &crate::Story) -> Vec<String> {
        story.lines(&self.shell.texts, self.language())
    }

    /// The commands that this person may use here, in the order of the app's list.
    #[must_use]
    pub fn commands(&self) -> Vec<CommandLine> {
        self.shell.menu(
            self.language(),
            self.chat().kind,
            self.incoming.known_role(),
        )
    }

    // --- Saying ---

    /// Says a text of the app.
    pub fn say(&self, id: &str, args: &Args<'_>) {
        self.reply(Reply::plain(self.text(id, args)));
    }

    /// Says that this bot is private, with the id to quote to its owner; once an hour at most, and not in front of others.
    #[must_use]
    pub fn turn_away(&self) -> Outcome {
        if self.chat().kind != ChatKind::Private {
            return Outcome::Ignored;
        }
        match self.take_place("turned away", TURNED_AWAY) {
            Pace::Go => {
                self.say("private-bot", &[("id", (&self.person().subject).into())]);
                Outcome::Done
            }
            Pace::Wait(_) | Pace::ComeBack { .. } => Outcome::Ignored,
        }
    }

    /// Replies.
    pub fn reply(&self, reply: Reply) {
        self.services.say(self.addressed(reply, None));
    }

    /// Changes what an own message says.
    pub fn replace(&self, message: MessageRef, reply: Reply) {
        self.services.say(self.addressed(reply, Some(message)));
    }

    /// The short notice that the presser of a button sees. Outside of a [`Button`] it is not shown.
    pub fn notice(&self, id: &str, args: &Args<'_>) {
        self.services.notice(self.text(id, args));
    }

    /// Shows that the bot is writing, until the attempt ends or text shows.
    pub fn typing(&self) {
        self.services.typing(&self.place());
    }

    /// A button for a reply. `label` is a text's id. Whoever is answered may press it for a day; see [`ReplyButton`] for more.
    ///
    /// # Errors
    /// A lasting failure when the payload cannot be stored as JSON.
    pub fn button<B: Button>(
        &self,
        label: &str,
        payload: &B::Payload,
    ) -> Result<ReplyButton, Failure> {
        Ok(ReplyButton::new(
            self.text(label, &[]),
            B::NAME,
            serde_json::to_value(payload)?,
        ))
    }

    /// Opens the streamed answer `slot` of this chat; it quotes the message that is handled. The same slot is the same message
    /// on the screen, in every attempt and after an edit.
    ///
    /// # Errors
    /// A passing failure when the slot cannot be looked up.
    pub async fn answer(&self, slot: &str) -> Result<Answer, Failure> {
        let slot = AnswerSlot {
            app: self.shell.name,
            slot: slot.to_owned(),
            place: self.place(),
        };
        Ok(Answer::new(
            self.services.open_answer(slot).await?,
            self.clone(),
        ))
    }

    // --- Asking ---

    /// Asks a model; returns when its first piece is there.
    ///
    /// # Errors
    /// When no model answers.
    pub async fn ask_model(&self, prompt: Prompt) -> Result<ModelStream, ModelError> {
        self.services.ask_model(prompt).await
    }

    /// Asks about the house itself.
    #[must_use]
    pub fn house(&self) -> &dyn House {
        self.services.house()
    }

    /// Makes the person the bot's owner, if this is the code that its start printed.
    ///
    /// # Errors
    /// A passing failure when it cannot be looked up.
    pub async fn claim_ownership(&self, code: &str) -> Result<Claim, Failure> {
        self.services.claim_ownership(self.person(), code).await
    }

    // --- Later ---

    /// Starts long work, which runs once this message is done.
    ///
    /// # Errors
    /// A lasting failure when the payload cannot be stored as JSON.
    pub fn start_task<T: Task>(&self, payload: &T::Payload) -> Result<(), Failure> {
        self.schedule::<T>(payload, Duration::ZERO)
    }

    /// Starts work after a delay.
    ///
    /// # Errors
    /// A lasting failure when the payload cannot be stored as JSON.
    pub fn schedule<T: Task>(&self, payload: &T::Payload, delay: Duration) -> Result<(), Failure> {
        let payload = serde_json::to_value(payload)?;
        self.start(&self.incoming, T::KEY, T::NAME, payload, delay);
        Ok(())
    }

    /// Starts long work, unless work of its kind and this name waits in this chat already; what runs does not count. So a
    /// hundred triggers of one job are one job.
    ///
    /// # Errors
    /// A lasting failure when the payload cannot be stored as JSON, or the name is longer than 128 bytes.
    pub fn once<T: Task>(&self, name: &str, payload: &T::Payload) -> Result<(), Failure> {
        self.start_unique::<T>(name, Again::Leave, payload, Duration::ZERO)
    }

    /// Starts work once nobody has asked for it for so long, with what was asked last; but no later than `longest` after it
    /// was asked first. Both at most a day.
    ///
    /// # Errors
    /// A lasting failure when the payload cannot be stored as JSON, or the name is longer than 128 bytes.
    pub fn debounce<T: Task>(
        &self,
        name: &str,
        payload: &T::Payload,
        quiet: Duration,
        longest: Duration,
    ) -> Result<(), Failure> {
        let longest = longest.min(UNIQUE_WAITS_MAX);
        let quiet = quiet.min(longest);
        self.start_unique::<T>(name, Again::Later { longest }, payload, quiet)
    }

    fn start_unique<T: Task>(
        &self,
        name: &str,
        again: Again,
        payload: &T::Payload,
        delay: Duration,
    ) -> Result<(), Failure> {
        if name.len() > UNIQUE_NAME_BYTES_MAX {
            return Err(Failure::lasting(
                "unique_name",
                "The name of a unique task is too long",
            ));
        }
        let call = TaskCall {
            name: T::NAME.to_owned(),
            payload: serde_json::to_value(payload)?,
        };
        let once = Once {
            name: name.to_owned(),
            again,
        };
        self.services.start_task(NewTask {
            once: Some(once),
            ..self
                .shell
                .task(&self.incoming, T::KEY, call, self.now(), delay)
        });
        Ok(())
    }

    /// Starts long work on behalf of another message of this chat: its answer quotes that one.
    ///
    /// # Errors
    /// A lasting failure when the payload cannot be stored as JSON.
    pub fn start_task_from<T: Task>(
        &self,
        message: MessageRef,
        payload: &T::Payload,
    ) -> Result<(), Failure> {
        let from = Incoming {
            message: Some(message),
            ..self.incoming.as_ref().clone()
        };
        self.about(from).start_task::<T>(payload)
    }

    // --- Remembering ---

    /// Changes the app's own tables, in the transaction that ends this message.
    ///
    /// ```
    /// # use sallyport_kit::Context;
    /// # fn example(context: &Context) {
    /// let chat = context.chat().id.0.clone();
    /// context.remember(move |tables| {
    ///     Box::pin(async move {
    ///         tables.execute("DELETE FROM notes WHERE chat = $1", &[&chat]).await?;
    ///         Ok(())
    ///     })
    /// });
    /// # }
    /// ```
    pub fn remember<F>(&self, change: F)
    where
        F: for<'t> FnOnce(&'t Transaction<'t>) -> BoxFuture<'t, Result<(), Failure>>
            + Send
            + 'static,
    {
        self.services.remember(Box::new(change));
    }

    /// A connection for reading the app's own tables; hold it shortly.
    ///
    /// # Errors
    /// A passing failure when none is free in time.
    pub async fn read(&self) -> Result<Reading, Failure> {
        self.services.read().await
    }
}
