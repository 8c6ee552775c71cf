//! A bot's menus and descriptions, from the same table of commands that feeds `/help`.
//!
//! Telegram keeps one menu per audience and language. What a menu shows is what a newcomer of this bot may use there.

use sallyport_kit::{ChatKind, Language, Role};
use sallyport_telegram::CallError;
use sallyport_telegram::wire::{BotCommand, BotCommandScope};

use crate::bots::Bot;

/// The text that an empty chat with the bot shows.
const DESCRIPTION: &str = "bot-description";
/// The line on the bot's profile page.
const SHORT_DESCRIPTION: &str = "bot-short-description";
/// Telegram's limits, in characters.
const ABOUT_MAX: usize = 256;
const DESCRIPTION_MAX: usize = 512;
const SHORT_DESCRIPTION_MAX: usize = 120;

/// Publishes menus and descriptions in every language of the app. Bears repetition.
pub(super) async fn publish(bot: &Bot) -> Result<(), CallError> {
    for language in bot.app.words().languages() {
        let Some(code) = menu_language(language) else {
            continue;
        };
        for (scope, kind) in [
            (BotCommandScope::AllPrivateChats, ChatKind::Private),
            (BotCommandScope::AllGroupChats, ChatKind::Group),
        ] {
            bot.api
                .set_commands(commands(bot, language, kind), scope, code)
                .await?;
        }
        let words = bot.app.words();
        if words.has(DESCRIPTION) {
            let text = first(&words.get(language, DESCRIPTION, &[]), DESCRIPTION_MAX);
            bot.api.set_description(&text, code).await?;
        }
        if words.has(SHORT_DESCRIPTION) {
            let text = first(
                &words.get(language, SHORT_DESCRIPTION, &[]),
                SHORT_DESCRIPTION_MAX,
            );
            bot.api.set_short_description(&text, code).await?;
        }
    }
    Ok(())
}

/// The language code of a menu. English is everybody's who has no menu of their own; the pseudo-locale is for tests.
#[expect(
    clippy::option_option,
    reason = "no menu, everybody's menu, one language's menu"
)]
fn menu_language(language: Language) -> Option<Option<&'static str>> {
    match language {
        Language::English => Some(None),
        Language::Russian | Language::Arabic => Some(Some(language.code())),
        Language::Pseudo => None,
    }
}

fn commands(bot: &Bot, language: Language, kind: ChatKind) -> Vec<BotCommand> {
    let role = bot.newcomers.max(Role::Member);
    bot.app
        .menu(language, kind, role)
        .into_iter()
        .map(|line| {
            BotCommand::builder()
                .command(line.name)
                .description(first(&line.about, ABOUT_MAX))
                .build()
        })
        .collect()
}

fn first(text: &str, characters_max: usize) -> String {
    text.chars().take(characters_max).collect()
}
