//! What the control door shows: a chat as the person sees it, what was delivered, what was received, and which chat just changed.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
};
use frankenstein::types::{InlineKeyboardButton, MessageEntity};
use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;

use crate::{
    inbound::Problem,
    telegram::{
        bot::{Bot, State as BotState, now_ms},
        chat::{Author, Chat, Draft, Kept, Standing},
        log::{Line, Wanted},
        updates::Fate,
        wire,
    },
    world::World,
};

/// Lines or fates in one answer, unless fewer are asked for.
const LIST_MAX: usize = 200_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OneChat {
    chat_id: i64,
    bot: Option<String>,
}

fn named(world: &World, name: Option<&str>) -> Result<Arc<Bot>, Problem> {
    world
        .bot_named(name)
        .ok_or_else(|| Problem::field("bot", "is not known; give its number or user name"))
}

fn rfc3339(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms)
        .unwrap_or_default()
        .to_string()
}

/// One of the bot's messages.
#[derive(Serialize)]
pub(super) struct SentMessage {
    message_id: i32,
    text: String,
    /// Whether it was changed since; `edits` says how often.
    edited: bool,
    edits: u32,
    at: String,
    at_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_at: Option<String>,
    reply_to_message_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_thread_id: Option<i32>,
    entities: Vec<MessageEntity>,
    /// Rows of buttons, empty when there are none.
    buttons: Vec<Vec<InlineKeyboardButton>>,
}

fn sent_message(message: &Kept) -> SentMessage {
    SentMessage {
        message_id: message.id,
        text: message.words.text.clone(),
        edited: message.edits > 0,
        edits: message.edits,
        at: rfc3339(message.at_ms),
        at_ms: message.at_ms,
        edited_at: message.edited_at_ms.map(rfc3339),
        reply_to_message_id: message.reply_to,
        message_thread_id: message.thread,
        entities: message.words.entities.clone(),
        buttons: message
            .keyboard
            .as_ref()
            .map(|keyboard| keyboard.inline_keyboard.clone())
            .unwrap_or_default(),
    }
}

/// The bot's messages that the chat now shows, oldest first; an unknown chat shows none.
pub(super) async fn sent(
    State(world): State<Arc<World>>,
    Query(asked): Query<OneChat>,
) -> Result<Json<Vec<SentMessage>>, Problem> {
    let bot = named(&world, asked.bot.as_deref())?;
    let state = bot.lock();
    let messages = state
        .chats
        .get(&asked.chat_id)
        .into_iter()
        .flat_map(|chat| chat.messages.values());
    Ok(Json(
        messages
            .filter(|message| message.author == Author::Bot)
            .map(sent_message)
            .collect(),
    ))
}

/// A whole chat, for the page.
#[derive(Serialize)]
pub(super) struct WholeChat {
    bot: i64,
    chat: wire::Chat,
    standing: Standing,
    messages: Vec<ChatMessage>,
    /// "typing" while the bot says so.
    action: Option<String>,
    draft: Option<Draft>,
    /// The last words an answered button press showed.
    notice: Option<String>,
    now_ms: i64,
}

#[derive(Serialize)]
struct ChatMessage {
    from_bot: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<String>,
    #[serde(flatten)]
    message: SentMessage,
    /// How the update that carried it is doing, for what people wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<Fate>,
}

/// Messages in one answer: what a page can show.
const PAGE_MESSAGES_MAX: usize = 200;

pub(super) async fn chat(
    State(world): State<Arc<World>>,
    Query(asked): Query<OneChat>,
) -> Result<Json<WholeChat>, Problem> {
    let bot = named(&world, asked.bot.as_deref())?;
    let state = bot.lock();
    let now_ms = now_ms();
    let empty = Chat::new(
        asked.chat_id,
        crate::telegram::methods::kind_of(asked.chat_id),
        1,
    );
    let chat = state.chats.get(&asked.chat_id).unwrap_or(&empty);
    let skipped = chat.messages.len().saturating_sub(PAGE_MESSAGES_MAX);
    let messages = chat
        .messages
        .values()
        .skip(skipped)
        .map(|message| chat_message(&state, chat, message))
        .collect();
    let notice = state
        .presses
        .shown
        .iter()
        .rev()
        .find(|(chat_id, _)| *chat_id == asked.chat_id);
    Ok(Json(WholeChat {
        bot: bot.id,
        chat: chat.face.clone(),
        standing: chat.standing,
        messages,
        action: chat
            .action
            .as_ref()
            .filter(|(_, until)| *until > now_ms)
            .map(|(action, _)| action.clone()),
        draft: chat.draft.clone().filter(|draft| draft.until_ms > now_ms),
        notice: notice.map(|(_, text)| text.clone()),
        now_ms,
    }))
}

fn chat_message(state: &BotState, chat: &Chat, message: &Kept) -> ChatMessage {
    let name = match message.author {
        Author::Bot => Some(state.me.first_name.clone()),
        Author::Person(id) => chat.people.get(&id).map(|person| person.first_name.clone()),
        Author::Group => chat.face.title.clone(),
    };
    ChatMessage {
        from_bot: message.author == Author::Bot,
        name,
        media: message
            .media
            .as_ref()
            .and_then(|media| media.keys().next().cloned()),
        message: sent_message(message),
        delivery: message
            .update_id
            .and_then(|id| state.updates.fate(id))
            .cloned(),
    }
}

/// One known bot.
#[derive(Serialize)]
pub(super) struct KnownBot {
    id: i64,
    username: String,
    name: String,
    /// The name in its token; the house usually calls it so.
    short: String,
    is_default: bool,
    webhook: Option<String>,
    pending: usize,
    chats: usize,
}

pub(super) async fn bots(State(world): State<Arc<World>>) -> Json<Vec<KnownBot>> {
    let known = |bot: Arc<Bot>| {
        let identity = bot.identity();
        let state = bot.lock();
        KnownBot {
            id: bot.id,
            username: identity.username,
            name: identity.name,
            short: identity.short,
            is_default: bot.id == world.settings.default_bot,
            webhook: state.webhook.as_ref().map(|webhook| webhook.url.clone()),
            pending: state.updates.len(),
            chats: state.chats.len(),
        }
    };
    Json(world.bots().into_iter().map(known).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SomeDeliveries {
    bot: Option<String>,
    chat_id: Option<i64>,
    limit: Option<usize>,
}

/// What became of each update, newest last.
pub(super) async fn deliveries(
    State(world): State<Arc<World>>,
    Query(asked): Query<SomeDeliveries>,
) -> Result<Json<Vec<Fate>>, Problem> {
    let bot = named(&world, asked.bot.as_deref())?;
    let state = bot.lock();
    let fits = |fate: &&Fate| asked.chat_id.is_none_or(|chat_id| fate.chat_id == chat_id);
    let newest_first = state
        .updates
        .fates()
        .rev()
        .filter(fits)
        .take(asked.limit.unwrap_or(LIST_MAX));
    let mut fates: Vec<Fate> = newest_first.cloned().collect();
    fates.reverse();
    Ok(Json(fates))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SomeLines {
    bot: Option<String>,
    chat_id: Option<i64>,
    method: Option<String>,
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

/// Every call of a bot but `getUpdates`, oldest first.
pub(super) async fn log(
    State(world): State<Arc<World>>,
    Query(asked): Query<SomeLines>,
) -> Result<Json<Vec<Line>>, Problem> {
    let bot = match &asked.bot {
        Some(name) => Some(named(&world, Some(name))?.id),
        None => None,
    };
    let wanted = Wanted {
        bot,
        chat_id: asked.chat_id,
        method: asked.method.as_deref(),
        after: asked.after,
        limit: asked.limit.unwrap_or(LIST_MAX),
    };
    Ok(Json(world.log.lock().read(&wanted)))
}

pub(super) async fn clear_log(State(world): State<Arc<World>>) -> StatusCode {
    world.log.lock().clear();
    StatusCode::NO_CONTENT
}

pub(super) async fn counts(
    State(world): State<Arc<World>>,
) -> Json<BTreeMap<String, BTreeMap<String, u64>>> {
    Json(world.log.lock().counts())
}

/// Server-sent events: `change` with the bot and the chat; `all` when some were missed and everything should be read again.
pub(super) async fn live(
    State(world): State<Arc<World>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stop = world.stop.clone();
    let changes = stream::unfold(world.watch(), |mut watch| async move {
        let event = match watch.recv().await {
            Ok(change) => Event::default()
                .event("change")
                .json_data(change)
                .unwrap_or_default(),
            Err(RecvError::Lagged(_)) => Event::default().event("all").data("{}"),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(event), watch))
    });
    Sse::new(changes.take_until(stop.cancelled_owned())).keep_alive(KeepAlive::default())
}
