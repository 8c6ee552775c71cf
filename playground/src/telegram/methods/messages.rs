//! Messages that a bot writes, changes, previews and takes back, and how it answers a pressed button.

use std::time::Instant;

use frankenstein::types::InlineKeyboardMarkup;
use serde_json::json;

use super::{
    super::{
        answer::{Outcome, Refusal, Success},
        bot::{Bot, State, now_ms},
        chat::{Author, Draft, Formatted, Kept},
        entities,
        parameters::Parameters,
    },
    sending::{find_chat, keyboard, not_found, pace_edit, pace_send, reply_to},
};
use crate::world::World;

/// A draft is shown for half a minute, an action for five seconds.
const DRAFT_MS: i64 = 30_000;
const ACTION_MS: i64 = 5_000;
const CALLBACK_TEXT_UNITS_MAX: usize = 200;
/// Notices of answered presses remembered for the page.
const NOTICES_MAX: usize = 100;

pub(super) fn send(world: &World, bot: &Bot, given: &Parameters) -> Outcome {
    let words = words(given)?;
    let keyboard = keyboard(given)?;
    let mut state = bot.lock();
    let chat = find_chat(world, &mut state, given)?;
    let chat_id = chat.face.id;
    let reply_to = reply_to(chat, given)?;
    pace_send(world, &mut state, chat_id, Instant::now())?;
    let chat = state.chats.get_mut(&chat_id).ok_or_else(not_found)?;
    (chat.draft, chat.action) = (None, None);
    let message = Kept {
        id: chat.next_id(),
        author: Author::Bot,
        at_ms: now_ms(),
        edited_at_ms: None,
        edits: 0,
        words,
        media: None,
        media_group_id: None,
        reply_to,
        thread: given
            .integer("message_thread_id")
            .and_then(|id| i32::try_from(id).ok())
            .filter(|id| *id > 0),
        keyboard,
        update_id: None,
    };
    let id = message.id;
    state.keep(chat_id, message);
    world.changed(bot.id, chat_id);
    shown(&state, chat_id, id)
}

pub(super) fn edit(world: &World, bot: &Bot, given: &Parameters) -> Outcome {
    if given.text("chat_id").is_empty() {
        let missing = if given.text("inline_message_id").is_empty() {
            "Message identifier is not specified"
        } else {
            "MESSAGE_ID_INVALID"
        };
        return Err(Refusal::bad_request(missing));
    }
    let words = words(given)?;
    let keyboard = keyboard(given)?;
    let mut state = bot.lock();
    let chat = find_chat(world, &mut state, given)?;
    let chat_id = chat.face.id;
    let id = message_id(given)?;
    let message = chat
        .messages
        .get(&id)
        .ok_or_else(|| Refusal::bad_request("Message to edit not found"))?;
    if message.author != Author::Bot {
        return Err(Refusal::bad_request("Message can't be edited"));
    }
    if message.words == words && message.keyboard == keyboard {
        return Err(Refusal::bad_request(
            "Message is not modified: specified new message content and reply markup are exactly the same as a current \
             content and reply markup of the message",
        ));
    }
    pace_edit(world, chat, Instant::now())?;
    change(chat.messages.get_mut(&id), words, keyboard);
    world.changed(bot.id, chat_id);
    shown(&state, chat_id, id)
}

fn change(message: Option<&mut Kept>, words: Formatted, keyboard: Option<InlineKeyboardMarkup>) {
    if let Some(message) = message {
        message.words = words;
        message.keyboard = keyboard;
        message.edited_at_ms = Some(now_ms());
        message.edits += 1;
    }
}

fn words(given: &Parameters) -> Result<Formatted, Refusal> {
    let text = given.text("text");
    if text.is_empty() {
        return Err(Refusal::bad_request("Message text is empty"));
    }
    entities::read(text, given.text("parse_mode"), given.text("entities"))
}

fn message_id(given: &Parameters) -> Result<i32, Refusal> {
    let id = given
        .integer("message_id")
        .and_then(|id| i32::try_from(id).ok());
    id.ok_or_else(|| Refusal::bad_request("Message identifier is not specified"))
}

fn shown(state: &State, chat_id: i64, id: i32) -> Outcome {
    let chat = state.chats.get(&chat_id).ok_or_else(not_found)?;
    let message = chat.messages.get(&id).ok_or_else(not_found)?;
    Success::of(&chat.wire(message, &state.me))
}

pub(super) fn draft(world: &World, bot: &Bot, given: &Parameters) -> Outcome {
    let draft_id = given.integer("draft_id").filter(|id| *id != 0);
    let draft_id = draft_id.ok_or_else(|| Refusal::bad_request("RANDOM_ID_INVALID"))?;
    let words = entities::read_any_length(
        given.text("text"),
        given.text("parse_mode"),
        given.text("entities"),
    )?;
    if entities::units(&words.text) > entities::TEXT_UNITS_MAX {
        return Err(Refusal::bad_request("Message is too long"));
    }
    let mut state = bot.lock();
    let chat = find_chat(world, &mut state, given)?;
    if !chat.is_private() {
        return Err(Refusal::bad_request("TEXTDRAFT_PEER_INVALID"));
    }
    chat.draft = Some(Draft {
        draft_id,
        text: words.text,
        until_ms: now_ms() + DRAFT_MS,
    });
    world.changed(bot.id, chat.face.id);
    Success::yes()
}

pub(super) fn action(world: &World, bot: &Bot, given: &Parameters) -> Outcome {
    const ACTIONS: [&str; 12] = [
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "record_audio",
        "upload_audio",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
    ];
    let action = given.text("action").trim().to_ascii_lowercase();
    if !ACTIONS.contains(&action.as_str()) && action != "upload_video_note" && action != "cancel" {
        return Err(Refusal::bad_request("Wrong parameter action in request"));
    }
    let mut state = bot.lock();
    let chat = find_chat(world, &mut state, given)?;
    chat.action = (action != "cancel").then(|| (action, now_ms() + ACTION_MS));
    world.changed(bot.id, chat.face.id);
    Success::yes()
}

pub(super) fn answer_press(world: &World, bot: &Bot, given: &Parameters) -> Outcome {
    let text = given.text("text");
    if entities::units(text) > CALLBACK_TEXT_UNITS_MAX {
        return Err(Refusal::bad_request("MESSAGE_TOO_LONG"));
    }
    let mut state = bot.lock();
    let id = given.text("callback_query_id");
    if !state.presses.close(id) {
        return Err(Refusal::bad_request(
            "Query is too old and response timeout expired or query ID is invalid",
        ));
    }
    let chat_id = id
        .split_once('.')
        .and_then(|(_, chat)| chat.parse().ok())
        .unwrap_or_default();
    if !text.is_empty() {
        state.presses.shown.push_back((chat_id, text.to_owned()));
        if state.presses.shown.len() > NOTICES_MAX {
            state.presses.shown.pop_front();
        }
    }
    world.changed(bot.id, chat_id);
    Success::yes()
}

pub(super) fn delete(world: &World, bot: &Bot, given: &Parameters) -> Outcome {
    let mut state = bot.lock();
    let chat = find_chat(world, &mut state, given)?;
    let id = message_id(given)?;
    chat.messages
        .remove(&id)
        .ok_or_else(|| Refusal::bad_request("Message to delete not found"))?;
    world.changed(bot.id, chat.face.id);
    Success::yes()
}

pub(super) fn get_chat(world: &World, bot: &Bot, given: &Parameters) -> Outcome {
    let mut state = bot.lock();
    let chat = find_chat(world, &mut state, given)?;
    let none = json!({
        "unlimited_gifts": false, "limited_gifts": false, "unique_gifts": false, "premium_subscription": false,
        "gifts_from_channels": false,
    });
    let mut shown = serde_json::to_value(&chat.face).unwrap_or_default();
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("accent_color_id".to_owned(), json!(0));
        fields.insert("max_reaction_count".to_owned(), json!(11));
        fields.insert("accepted_gift_types".to_owned(), none);
    }
    Success::of(&shown)
}
