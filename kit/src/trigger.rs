//! What an app can react to. Each trigger is a small type in a file of its own: its constants say who may use it, how often
//! and how late it may still run, and one short function does it.
//!
//! Handlers must be safe to run twice: nothing they said, started or remembered in an attempt that failed is kept, but what
//! they caused outside (a model's answer was paid for) has happened.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use crate::{Attachment, Context, Failure, FromText, Outcome, Rate, Role, Scopes};

/// How late a command may still run: nobody wants the answer to `/status` from before.
pub const COMMANDS_LATE_AFTER: Duration = Duration::from_secs(2 * 60);

/// How late a question may still be answered.
pub const QUESTIONS_LATE_AFTER: Duration = Duration::from_secs(6 * 60 * 60);

/// How handling ends.
pub type Ended = Result<Outcome, Failure>;

/// `/name arguments`. Its line in `/help` is the text `about-<name>`, with an example to tap in `example-<name>` if it has one.
pub trait Command: Send + Sync + 'static {
    /// The word after the slash: 1–32 of `a-z`, `0-9`, `_`.
    const NAME: &'static str;
    /// Who may use it, and sees it in `/help`.
    const ACCESS: Role = Role::Member;
    /// Where it may be used.
    const SCOPES: Scopes = Scopes::Everywhere;
    /// How often one person may use it.
    const RATE: Option<Rate> = None;
    /// How late it may still run.
    const LATE_AFTER: Duration = COMMANDS_LATE_AFTER;
    /// What it takes.
    type Arguments: FromText;

    /// Does it.
    fn run(
        &self,
        context: &Context,
        arguments: Self::Arguments,
    ) -> impl Future<Output = Ended> + Send;
}

/// Words that are for the bot and are no command.
pub trait Text: Send + Sync + 'static {
    /// Who may.
    const ACCESS: Role = Role::Member;
    /// How often one person may.
    const RATE: Option<Rate> = None;
    /// How late it may still run.
    const LATE_AFTER: Duration = QUESTIONS_LATE_AFTER;

    /// Does it. `text` has no mention of the bot any more, and is whole: a split paste is joined.
    fn run(&self, context: &Context, text: String) -> impl Future<Output = Ended> + Send;
}

/// Long work with a key of its own, while the chat goes on.
pub trait Task: Send + Sync + 'static {
    /// Its name, part of the queue's kind `task.<app>.<name>`: payloads of it may outlive a deployment.
    const NAME: &'static str;
    /// Tasks with the same key in one chat run one after another.
    const KEY: &'static str = "task";
    /// One attempt may take this long.
    const DEADLINE: Duration = Duration::from_secs(60);
    /// How often it is tried.
    const ATTEMPTS_MAX: u16 = 5;
    /// How late it may still run.
    const LATE_AFTER: Duration = QUESTIONS_LATE_AFTER;
    /// How many of these may run at the same time, across all workers; the others wait in order. No bound by default.
    const AT_ONCE: Option<AtOnce> = None;
    /// What it needs to know: tiny, ids rather than contents.
    type Payload: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Does it.
    fn run(&self, context: &Context, payload: Self::Payload) -> impl Future<Output = Ended> + Send;
}

/// How many tasks of one kind may run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtOnce {
    /// Whose tasks are counted together.
    pub per: Per,
    /// How many; 0 counts as 1.
    pub max: u32,
}

/// Whose tasks are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Those of one person, in whichever chat.
    Person,
    /// Those of one tenant.
    Tenant,
    /// All of them.
    House,
}

impl AtOnce {
    /// At most so many for one person.
    #[must_use]
    pub const fn per_person(max: u32) -> Self {
        Self {
            per: Per::Person,
            max,
        }
    }

    /// At most so many for one tenant.
    #[must_use]
    pub const fn per_tenant(max: u32) -> Self {
        Self {
            per: Per::Tenant,
            max,
        }
    }

    /// At most so many altogether.
    #[must_use]
    pub const fn in_all(max: u32) -> Self {
        Self {
            per: Per::House,
            max,
        }
    }
}

/// A press on a button. Pressing twice must be harmless.
pub trait Button: Send + Sync + 'static {
    /// Its name, stored with each button: they outlive a deployment.
    const NAME: &'static str;
    /// What the button means: tiny, ids rather than contents.
    type Payload: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Does it.
    fn run(&self, context: &Context, payload: Self::Payload) -> impl Future<Output = Ended> + Send;
}

/// A file, or an album of files, with the words beside it.
pub trait Media: Send + Sync + 'static {
    /// Who may.
    const ACCESS: Role = Role::Member;
    /// How often one person may.
    const RATE: Option<Rate> = None;
    /// How late it may still run.
    const LATE_AFTER: Duration = QUESTIONS_LATE_AFTER;

    /// Does it. An album comes whole.
    fn run(&self, context: &Context, album: Album) -> impl Future<Output = Ended> + Send;
}

/// One file, or all files of an album.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Album {
    /// The files, at least one.
    pub files: Vec<Attachment>,
    /// The words beside them.
    pub caption: Option<String>,
}

/// An edit of something that was said before.
pub trait Edit: Send + Sync + 'static {
    /// Who may.
    const ACCESS: Role = Role::Member;
    /// How late it may still run.
    const LATE_AFTER: Duration = QUESTIONS_LATE_AFTER;

    /// Does it. `text` has neither a leading command nor a mention of the bot any more.
    fn run(&self, context: &Context, text: String) -> impl Future<Output = Ended> + Send;
}
