//! The operations hub: the house's own bot. People ask it questions, operators ask it how the house is, and it repairs what a
//! chat allows to repair.
//!
//! This file is its table of contents. Each command, button and task is a file of its own that says who may use it, how often
//! and how late; words are in `texts/`, tables in `state`. It opens no connection and knows no provider: all of that is behind
//! the kit's context.

mod buttons;
mod commands;
mod conversation;
mod edits;
mod files;
mod schedules;
mod settings;
mod state;
mod tasks;
mod words;

use sallyport_kit::{App, Language, Texts, TextsError};

pub use settings::Settings;

/// The hub, with everything that it reacts to.
///
/// # Errors
/// When its texts cannot be read, which its tests rule out.
pub fn app(settings: &Settings) -> Result<App, TextsError> {
    let app = App::new("hub", texts()?)
        .tables(state::TABLES)
        .command(commands::Start)
        .command(commands::Help)
        .command(commands::Ai)
        .command(commands::New)
        .command(commands::Status)
        .command(commands::Trace)
        .command(commands::Dead)
        .command(commands::Webhook)
        .text(words::Question)
        .edit(edits::EditedQuestion)
        .media(files::NotedFiles)
        .task(tasks::Answer::new(settings))
        .task(tasks::Digest)
        .schedule(schedules::Daily)
        .button(buttons::TryAgain)
        .button(buttons::CopyId)
        .button(buttons::ReplayStory)
        .button(buttons::OfferReplay)
        .button(buttons::ReplayGroup)
        .button(buttons::LeaveGroup);
    Ok(app)
}

/// Every word that the hub says.
///
/// # Errors
/// When a file is not Fluent.
fn texts() -> Result<Texts, TextsError> {
    Texts::new(&[
        (Language::English, include_str!("texts/en.ftl")),
        (Language::Russian, include_str!("texts/ru.ftl")),
    ])
}

#[cfg(test)]
mod tests;
