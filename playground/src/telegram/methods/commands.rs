//! A bot's command menus, per scope and language.

use frankenstein::types::BotCommand;
use serde::Deserialize;
use serde_json::Value;

use super::super::{
    answer::{Outcome, Refusal, Success},
    bot::Bot,
    parameters::Parameters,
};

const COMMANDS_MAX: usize = 100;
const COMMAND_LENGTH_MAX: usize = 32;
const DESCRIPTION_LENGTH_MAX: usize = 256;
/// Menus one bot may set: scopes of chats times languages would otherwise grow without end.
const MENUS_MAX: usize = 10_000;

pub(super) fn set(bot: &Bot, given: &Parameters) -> Outcome {
    let commands: Vec<Value> = given
        .json("commands", "Can't parse commands JSON object")?
        .unwrap_or_default();
    let commands = commands
        .into_iter()
        .map(checked)
        .collect::<Result<Vec<_>, _>>()?;
    if commands.len() > COMMANDS_MAX {
        return Err(Refusal::bad_request("BOT_COMMANDS_TOO_MUCH"));
    }
    let mut state = bot.lock();
    if state.commands.len() >= MENUS_MAX {
        return Err(Refusal::too_fast(60));
    }
    state.commands.insert(place(given)?, commands);
    Success::yes()
}

pub(super) fn get(bot: &Bot, given: &Parameters) -> Outcome {
    let place = place(given)?;
    let state = bot.lock();
    Success::of(&state.commands.get(&place).map_or(&[][..], Vec::as_slice))
}

pub(super) fn delete(bot: &Bot, given: &Parameters) -> Outcome {
    let place = place(given)?;
    bot.lock().commands.remove(&place);
    Success::yes()
}

#[derive(Deserialize)]
struct Scope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    chat_id: Value,
    #[serde(default)]
    user_id: Value,
}

/// Which menu is meant: scope and language in one spelling.
fn place(given: &Parameters) -> Result<(String, String), Refusal> {
    let language = given.text("language_code");
    if !language.is_empty()
        && (language.len() != 2 || !language.chars().all(|c| c.is_ascii_lowercase()))
    {
        return Err(Refusal::bad_request("Invalid language code specified"));
    }
    let scope: Option<Scope> = given.json(
        "scope",
        "Can't parse BotCommandScope: type is not specified",
    )?;
    let scope = match scope {
        None => "default".to_owned(),
        Some(Scope {
            kind,
            chat_id,
            user_id,
        }) => match kind.as_str() {
            "default" | "all_private_chats" | "all_group_chats" | "all_chat_administrators" => kind,
            "chat" | "chat_administrators" | "chat_member" if chat_id.is_null() => {
                return Err(Refusal::bad_request(
                    "Can't parse BotCommandScope: Can't find field \"chat_id\"",
                ));
            }
            "chat" | "chat_administrators" => format!("{kind}:{chat_id}"),
            "chat_member" if user_id.as_i64().is_none_or(|id| id <= 0) => {
                return Err(Refusal::bad_request(
                    "Can't parse BotCommandScope: Invalid user_id specified",
                ));
            }
            "chat_member" => format!("{kind}:{chat_id}:{user_id}"),
            _ => {
                return Err(Refusal::bad_request(
                    "Can't parse BotCommandScope: Unsupported type specified",
                ));
            }
        },
    };
    Ok((scope, language.to_owned()))
}

fn checked(value: Value) -> Result<BotCommand, Refusal> {
    let mut command: BotCommand = serde_json::from_value(value)
        .map_err(|error| Refusal::bad_request(&format!("Can't parse BotCommand: {error}")))?;
    let name = command.command.trim_start_matches('/').to_owned();
    if name.is_empty() {
        return Err(Refusal::bad_request("Command must be non-empty"));
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.len() > COMMAND_LENGTH_MAX || !name.chars().all(plain) {
        return Err(Refusal::bad_request("BOT_COMMAND_INVALID"));
    }
    let description = command.description.trim();
    if description.is_empty() {
        return Err(Refusal::bad_request(
            "Command description must be non-empty",
        ));
    }
    if description.chars().count() > DESCRIPTION_LENGTH_MAX {
        let reason = format!("Command description length must not exceed {DESCRIPTION_LENGTH_MAX}");
        return Err(Refusal::bad_request(&reason));
    }
    command.description = description.to_owned();
    command.command = name;
    Ok(command)
}
