//! What a bot's author sees: one list of triggers, one small file per trigger, and a context with verbs.
//!
//! An app built on this kit works in a private chat, in a group and on the playground's page, because channels turn their wire
//! formats into [`Incoming`] messages and [`Reply`]s into theirs. Order, retries, limits, lateness, languages, traces and delivery
//! are done around it. A trigger says in constants who may use it, how often and how late it may still run, and does one thing in
//! one short async function:
//!
//! ```
//! use sallyport_kit::{App, Command, Context, Ended, FromText, Language, Misread, Outcome, Rate, Texts, TextsError};
//!
//! /// `/roll 6` throws a die.
//! struct Roll;
//!
//! /// How many sides it has: 2 to 100.
//! struct Sides(u64);
//!
//! impl FromText for Sides {
//!     fn from_text(words: &str) -> Result<Self, Misread> {
//!         let sides = words.parse().ok().filter(|sides| (2..=100).contains(sides));
//!         sides.map(Self).ok_or(Misread::because("roll-usage"))
//!     }
//! }
//!
//! impl Command for Roll {
//!     const NAME: &'static str = "roll";
//!     const RATE: Option<Rate> = Some(Rate::per_minute(20));
//!     type Arguments = Sides;
//!
//!     async fn run(&self, context: &Context, Sides(sides): Sides) -> Ended {
//!         let thrown = context.now().as_microsecond().unsigned_abs() % sides + 1;
//!         context.say("roll-thrown", &[("name", (&context.person().name).into()), ("number", thrown.into())]);
//!         Ok(Outcome::Done)
//!     }
//! }
//!
//! const ENGLISH: &str = "
//! about-roll = throws a die
//! example-roll = /roll 6
//! roll-usage = How many sides, 2 to 100? /roll 6
//! roll-thrown = { $name } throws { $number }.
//! ";
//!
//! fn app() -> Result<App, TextsError> {
//!     Ok(App::new("dice", Texts::new(&[(Language::English, ENGLISH)])?).command(Roll))
//! }
//! # let menu = app()?.menu(Language::English, sallyport_kit::ChatKind::Private, sallyport_kit::Role::Member);
//! # assert_eq!(menu[0].example.as_deref(), Some("/roll 6"));
//! # Ok::<(), TextsError>(())
//! ```
//!
//! The same list feeds `/help`, the providers' command menus, and the suggestion for a mistyped command. Besides commands there
//! are plain [`Text`], [`Media`], [`Edit`]s, [`Button`]s, [`Task`]s, long work with a key of its own, and [`Schedule`]s; `testing` has the stage on
//! which all of them are tested (feature `test-util`).
//!
//! **What this crate refuses to know:** providers and their wire formats, the queue, models' hosts, and who is on the allowlist.
//! It opens no connection; [`Services`] is the one interface through which the workers hand it everything.

mod answer;
mod app;
mod arguments;
mod away;
mod chat;
mod context;
mod erased;
mod handle;
mod house;
mod incoming;
mod language;
mod model;
mod outcome;
mod pace;
mod person;
mod reply;
mod route;
mod said;
mod schedule;
mod services;
mod tables;
mod texts;
mod trigger;
mod webhook;
mod whole;

pub use answer::Answer;
pub use app::{App, CommandLine, Migration, TaskSpec};
pub use arguments::{FromText, Misread};
pub use chat::{Chat, ChatId, ChatKind, Scopes};
pub use context::Context;
pub use house::{
    Check, CheckState, DeadCount, DeadGroup, Found, GroupRef, House, Lately, PausedNow,
    QueueGlance, Replayed, StatusReport, Story, StoryRow, StoryState, Verdict,
};
pub use incoming::{
    Attachment, Incoming, MediaKind, MessageRef, Press, Quoted, StoredButton, TaskCall, Us, What,
    Who,
};
pub use jiff::Timestamp;
pub use language::Language;
pub use model::{ModelClass, ModelError, ModelStream, Prompt, Speaker, Turn};
pub use outcome::{Failure, Outcome, RetryAdvice};
pub use pace::Rate;
pub use person::{Person, PersonId, PersonKind, Role};
pub use reply::{Markup, Quote, Reply, ReplyButton, Say};
pub use schedule::{HouseContext, Missed, Schedule, ScheduleSpec};
pub use services::{
    Again, AnswerSink, AnswerSlot, Attempt, Claim, Effect, NewTask, Once, Place, Reading, Services,
};
pub use tables::MIGRATIONS;
pub use texts::{Arg, Args, Texts, TextsError};
pub use trigger::{
    Album, AtOnce, Button, COMMANDS_LATE_AFTER, Command, Edit, Ended, Media, Per,
    QUESTIONS_LATE_AFTER, Task, Text,
};
pub use webhook::{LastPosting, NewWebhook, Posting, Webhook, WebhookName, WebhookProblem};

#[cfg(any(test, feature = "test-util"))]
#[expect(clippy::panic, reason = "a harness fails its test by panicking")]
pub mod testing;
#[cfg(test)]
mod tests;
