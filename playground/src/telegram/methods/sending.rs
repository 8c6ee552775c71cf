//! What every sending method checks first: which chat, may the bot write there, is it too fast, what does it reply to, which buttons.

use std::time::{Duration, Instant};

use frankenstein::types::InlineKeyboardMarkup;
use serde::Deserialize;
use serde_json::Value;

use super::super::{
    answer::Refusal,
    bot::State,
    chat::{Chat, Standing},
    limits::{self, ANSWERING_FOR, BULK, EDITS_PER_CHAT, PER_CHAT, PER_GROUP},
    parameters::Parameters,
    wire::ChatKind,
};
use crate::{
    settings::{Limits, UnknownChats},
    world::World,
};

/// Telegram's chat numbers have at most 52 significant bits.
const CHAT_ID_MAX: u64 = 1 << 52;
const CALLBACK_DATA_BYTES_MAX: usize = 64;
const BUTTONS_MAX: usize = 100;

/// The chat a bot names; made when the settings let unknown chats in.
pub(super) fn find_chat<'a>(
    world: &World,
    state: &'a mut State,
    given: &Parameters,
) -> Result<&'a mut Chat, Refusal> {
    let id = chat_id(state, given)?;
    if !state.chats.contains_key(&id) {
        let may_exist = world.settings.unknown_chats == UnknownChats::Accept
            && id != 0
            && id.unsigned_abs() < CHAT_ID_MAX;
        if !may_exist {
            return Err(not_found());
        }
        state.chat(id, kind_of(id)).ok_or_else(not_found)?;
    }
    let chat = state.chats.get_mut(&id).ok_or_else(not_found)?;
    let forbidden = |words: &str| Err(Refusal::new(403, format!("Forbidden: {words}")));
    match chat.standing {
        Standing::Open => Ok(chat),
        Standing::Blocked => forbidden("bot was blocked by the user"),
        Standing::Kicked => forbidden("bot was kicked from the group chat"),
        Standing::NotFound => Err(not_found()),
        Standing::Migrated => {
            let mut refusal = Refusal::bad_request("Group chat was upgraded to a supergroup chat");
            refusal.migrate_to_chat_id = chat.migrate_to;
            Err(refusal)
        }
    }
}

/// Telegram's numbering tells the kind: people are positive, supergroups and channels start with -100.
pub(crate) fn kind_of(id: i64) -> ChatKind {
    match id {
        0.. => ChatKind::Private,
        ..=-1_000_000_000_000 => ChatKind::Supergroup,
        _ => ChatKind::Group,
    }
}

fn chat_id(state: &State, given: &Parameters) -> Result<i64, Refusal> {
    let text = given.text("chat_id").trim();
    if text.is_empty() {
        return Err(Refusal::bad_request("Chat_id is empty"));
    }
    if let Some(name) = text.strip_prefix('@') {
        let named = |chat: &&Chat| {
            chat.face
                .username
                .as_deref()
                .is_some_and(|known| known.eq_ignore_ascii_case(name))
        };
        return state
            .chats
            .values()
            .find(named)
            .map(|chat| chat.face.id)
            .ok_or_else(not_found);
    }
    text.parse().map_err(|_| not_found())
}

pub(super) fn not_found() -> Refusal {
    Refusal::bad_request("Chat not found")
}

/// Counts a new message against the limits, or says how long to wait. Nothing is counted when it is refused.
pub(super) fn pace_send(
    world: &World,
    state: &mut State,
    chat_id: i64,
    now: Instant,
) -> Result<(), Refusal> {
    if world.settings.limits == Limits::OwnServer {
        return Ok(());
    }
    let State { chats, bulk, .. } = state;
    let Some(chat) = chats.get_mut(&chat_id) else {
        return Ok(());
    };
    let rate = if chat.is_private() {
        PER_CHAT
    } else {
        PER_GROUP
    };
    let answers = chat
        .last_heard
        .is_some_and(|heard| now.saturating_duration_since(heard) < ANSWERING_FOR);
    let bulk_wait = if answers {
        Duration::ZERO
    } else {
        bulk.wait(BULK, now)
    };
    let wait = chat.sends.wait(rate, now).max(bulk_wait);
    if !wait.is_zero() {
        return Err(Refusal::too_fast(limits::retry_after(wait)));
    }
    chat.sends.take(rate, now);
    if !answers {
        bulk.take(BULK, now);
    }
    Ok(())
}

/// Counts an edit against its chat's limit, or says how long to wait.
pub(super) fn pace_edit(world: &World, chat: &mut Chat, now: Instant) -> Result<(), Refusal> {
    if world.settings.limits == Limits::OwnServer {
        return Ok(());
    }
    let rate = if chat.is_private() {
        EDITS_PER_CHAT
    } else {
        PER_GROUP
    };
    let wait = chat.edits.wait(rate, now);
    if !wait.is_zero() {
        return Err(Refusal::too_fast(limits::retry_after(wait)));
    }
    chat.edits.take(rate, now);
    Ok(())
}

#[derive(Deserialize)]
struct ReplyParameters {
    message_id: Option<i32>,
    #[serde(default)]
    allow_sending_without_reply: bool,
}

/// The message that a new one replies to, once it is known to exist (or the bot does not mind).
pub(super) fn reply_to(chat: &Chat, given: &Parameters) -> Result<Option<i32>, Refusal> {
    let parameters: Option<ReplyParameters> = given.json(
        "reply_parameters",
        "Can't parse reply parameters JSON object",
    )?;
    let (wanted, lenient) = match parameters {
        Some(ReplyParameters {
            message_id,
            allow_sending_without_reply,
        }) => (message_id, allow_sending_without_reply),
        None => {
            let legacy = given
                .integer("reply_to_message_id")
                .and_then(|id| i32::try_from(id).ok());
            (legacy, given.boolean("allow_sending_without_reply"))
        }
    };
    match wanted.filter(|id| *id != 0) {
        Some(id) if chat.messages.contains_key(&id) => Ok(Some(id)),
        Some(_) if !lenient => Err(Refusal::bad_request("Message to be replied not found")),
        Some(_) | None => Ok(None),
    }
}

/// The buttons below a message. Other keyboards are accepted and not shown, since they belong to the person's app.
pub(super) fn keyboard(given: &Parameters) -> Result<Option<InlineKeyboardMarkup>, Refusal> {
    let markup: Option<Value> = given.json(
        "reply_markup",
        "Can't parse reply keyboard markup JSON object",
    )?;
    let Some(markup) = markup else {
        return Ok(None);
    };
    if !markup.is_object() {
        return Err(Refusal::bad_request("Object expected as reply markup"));
    }
    if markup.get("inline_keyboard").is_none() {
        return Ok(None);
    }
    let keyboard: InlineKeyboardMarkup = serde_json::from_value(markup).map_err(|error| {
        Refusal::bad_request(&format!("Can't parse inline keyboard button: {error}"))
    })?;
    let buttons = keyboard.inline_keyboard.iter().flatten();
    if buttons.clone().count() > BUTTONS_MAX {
        return Err(Refusal::bad_request("Reply markup is too long"));
    }
    for button in buttons {
        if button.text.trim().is_empty() {
            return Err(Refusal::bad_request(
                "Can't parse inline keyboard button: Text must be non-empty",
            ));
        }
        let data = button.callback_data.as_deref();
        if data.is_some_and(|data| data.len() > CALLBACK_DATA_BYTES_MAX) {
            return Err(Refusal::bad_request("BUTTON_DATA_INVALID"));
        }
        let acts = data.is_some_and(|data| !data.is_empty()) || does_something_else(button);
        if !acts {
            let reason = "Can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard";
            return Err(Refusal::bad_request(reason));
        }
    }
    Ok((!keyboard.inline_keyboard.iter().all(Vec::is_empty)).then_some(keyboard))
}

fn does_something_else(button: &frankenstein::types::InlineKeyboardButton) -> bool {
    button.url.as_deref().is_some_and(|url| !url.is_empty())
        || button.login_url.is_some()
        || button.web_app.is_some()
        || button.switch_inline_query.is_some()
        || button.switch_inline_query_current_chat.is_some()
        || button.switch_inline_query_chosen_chat.is_some()
        || button.copy_text.is_some()
        || button.callback_game.is_some()
        || button.pay.is_some()
}
