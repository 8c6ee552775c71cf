//! What people do besides speaking: press a button, block the bot, leave; and updates of any shape, for kinds nobody has thought of.

use std::{sync::Arc, time::Instant};

use axum::{Json, body::Bytes, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use validator::Validate;

use super::saying::{Name, named, update_body};
use crate::{
    inbound::{Checked, Problem},
    telegram::{
        bot::{self, now_ms},
        chat::{Chat, Standing},
        methods::kind_of,
        updates::Fate,
        wire::{self, User},
    },
    world::World,
};

/// A pressed button.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Press {
    bot: Option<Name>,
    chat_id: i64,
    message_id: i32,
    /// The button's text or its callback data.
    #[validate(length(min = 1, max = 256, message = "must have 1–256 characters"))]
    button: String,
    #[validate(range(min = 1, message = "must be positive"))]
    user_id: Option<i64>,
    #[validate(length(
        min = 2,
        max = 10,
        message = "must be a language code, such as en or pt-BR"
    ))]
    language_code: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Pressed {
    bot: i64,
    update_id: u32,
    callback_query_id: String,
    data: String,
}

pub(super) async fn press(
    State(world): State<Arc<World>>,
    Checked(order): Checked<Press>,
) -> Result<Json<Pressed>, Problem> {
    let bot = named(&world, Name::text(order.bot.as_ref()).as_deref())?;
    let pressed = press_in(&mut bot.lock(), &order, bot.id)?;
    bot.wake();
    world.changed(bot.id, order.chat_id);
    Ok(Json(pressed))
}

fn press_in(state: &mut bot::State, order: &Press, bot: i64) -> Result<Pressed, Problem> {
    let no_message = || Problem::field("message_id", "is no message with buttons in this chat");
    let update_id = state.updates.number();
    let chat = state
        .chats
        .get_mut(&order.chat_id)
        .ok_or_else(|| Problem::field("chat_id", "is not known"))?;
    let data = data_of(chat, order)?;
    let id = order.user_id.unwrap_or(order.chat_id);
    let stranger = || User {
        id,
        is_bot: false,
        first_name: format!("Person {id}"),
        last_name: None,
        username: None,
        language_code: order.language_code.clone(),
    };
    let person = chat.people.get(&id).cloned().unwrap_or_else(stranger);
    chat.meet(&person);
    chat.last_heard = Some(Instant::now());
    let query_id = format!("{}.{}", rand::random::<u32>(), order.chat_id);
    let chat = state.chats.get(&order.chat_id).ok_or_else(no_message)?;
    let message = chat
        .messages
        .get(&order.message_id)
        .ok_or_else(no_message)?;
    let query = wire::CallbackQuery {
        id: &query_id,
        from: &person,
        message: chat.wire(message, &state.me),
        chat_instance: order.chat_id.to_string(),
        data: &data,
    };
    let body = update_body(update_id, "callback_query", &query)?;
    state.presses.open(query_id.clone());
    let fate = Fate {
        update_id,
        chat_id: order.chat_id,
        kind: "callback_query",
        said_at_ms: now_ms(),
        ..Fate::default()
    };
    state.updates.push(fate, body, Instant::now());
    Ok(Pressed {
        bot,
        update_id,
        callback_query_id: query_id,
        data,
    })
}

fn data_of(chat: &Chat, order: &Press) -> Result<String, Problem> {
    let keyboard = chat
        .messages
        .get(&order.message_id)
        .and_then(|message| message.keyboard.as_ref());
    let keyboard = keyboard
        .ok_or_else(|| Problem::field("message_id", "is no message with buttons in this chat"))?;
    let mut buttons = keyboard.inline_keyboard.iter().flatten();
    let is_meant = |data: &str, text: &str| data == order.button || text == order.button;
    let found = buttons.find_map(|button| {
        button
            .callback_data
            .clone()
            .filter(|data| is_meant(data, &button.text))
    });
    found.ok_or_else(|| Problem::field("button", "is no button of this message that sends data"))
}

/// A raw update.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    bot: Option<Name>,
    update: Map<String, Value>,
    /// The chat in whose order it is delivered.
    #[serde(default)]
    chat_id: i64,
}

#[derive(Debug, Serialize)]
pub(super) struct RawSaid {
    bot: i64,
    update_id: u32,
}

pub(super) async fn raw_update(
    State(world): State<Arc<World>>,
    Checked(order): Checked<Raw>,
) -> Result<Json<RawSaid>, Problem> {
    let bot = named(&world, Name::text(order.bot.as_ref()).as_deref())?;
    let update_id = {
        let mut state = bot.lock();
        let update_id = state.updates.number();
        let mut update = order.update;
        update.insert("update_id".to_owned(), update_id.into());
        let body = Bytes::from(Value::Object(update).to_string());
        let fate = Fate {
            update_id,
            chat_id: order.chat_id,
            kind: "raw",
            said_at_ms: now_ms(),
            ..Fate::default()
        };
        state.updates.push(fate, body, Instant::now());
        update_id
    };
    bot.wake();
    Ok(Json(RawSaid {
        bot: bot.id,
        update_id,
    }))
}

/// How a chat stands to the bot.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeChat {
    bot: Option<Name>,
    chat_id: i64,
    standing: Standing,
    /// The supergroup that a migrated group became.
    migrate_to_chat_id: Option<i64>,
}

pub(super) async fn change_chat(
    State(world): State<Arc<World>>,
    Checked(order): Checked<ChangeChat>,
) -> Result<Json<Value>, Problem> {
    if order.standing == Standing::Migrated && order.migrate_to_chat_id.is_none() {
        return Err(Problem::field(
            "migrate_to_chat_id",
            "is needed for a migrated chat",
        ));
    }
    let bot = named(&world, Name::text(order.bot.as_ref()).as_deref())?;
    let mut state = bot.lock();
    let chat = state.chat(order.chat_id, kind_of(order.chat_id));
    let chat = chat.ok_or_else(|| {
        Problem::new(
            503,
            "Too many chats",
            "this bot has no room for another chat",
        )
    })?;
    chat.standing = order.standing;
    chat.migrate_to = order.migrate_to_chat_id;
    Ok(Json(
        serde_json::json!({"chat_id": order.chat_id, "standing": order.standing}),
    ))
}
