//! What people say: a new message, an edit, something attached. Each becomes an update with the next number, queued for the bot.

use std::{sync::Arc, time::Instant};

use axum::{Json, body::Bytes, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use validator::Validate;

use crate::{
    inbound::{Checked, Problem},
    telegram::{
        bot::{self, Bot, now_ms},
        chat::{ANONYMOUS_ADMIN_ID, Author, Chat, Formatted, Kept, Standing},
        entities,
        files::MediaKind,
        methods::kind_of,
        updates::Fate,
        wire::{ChatKind, User},
    },
    world::World,
};

/// What a person says.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Say {
    /// The bot, by number or user name; the default bot when absent.
    bot: Option<Name>,
    #[validate(range(min = -4_503_599_627_370_495_i64, max = 4_503_599_627_370_495_i64, message = "must have at most 52 bits"))]
    chat_id: i64,
    /// The person; the chat's own number in a private chat when absent.
    #[validate(range(
        min = 1,
        max = 4_503_599_627_370_495_i64,
        message = "must be positive and have at most 52 bits"
    ))]
    user_id: Option<i64>,
    #[validate(length(max = 100_000, message = "must have at most 100000 characters"))]
    #[serde(default)]
    text: String,
    chat_type: Option<ChatKind>,
    #[validate(length(
        min = 2,
        max = 10,
        message = "must be a language code, such as en or pt-BR"
    ))]
    language_code: Option<String>,
    reply_to_message_id: Option<i32>,
    edit_message_id: Option<i32>,
    media: Option<Media>,
    #[validate(length(min = 1, max = 64, message = "must have 1–64 characters"))]
    media_group_id: Option<String>,
    #[validate(range(min = 1, message = "must be 1 or more"))]
    message_thread_id: Option<i32>,
    #[validate(length(min = 1, max = 64, message = "must have 1–64 characters"))]
    first_name: Option<String>,
    #[validate(length(min = 3, max = 32, message = "must have 3–32 characters"))]
    username: Option<String>,
    /// Speaks as the group itself, as an anonymous administrator does.
    #[serde(default)]
    anonymous: bool,
}

/// A bot's number or name: both `1000001` and `"ops"` are fine in JSON.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Name {
    Number(i64),
    Text(String),
}

impl Name {
    pub(super) fn text(this: Option<&Self>) -> Option<String> {
        this.map(|name| match name {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        })
    }
}

/// `"photo"`, or an object that says more.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Media {
    Kind(MediaKind),
    Full {
        kind: MediaKind,
        file_name: Option<String>,
        /// A claimed size, to meet the limits of `getFile`.
        file_size: Option<u64>,
    },
}

/// What became of it. A text longer than 4096 units is split as people's apps do; the numbers are those of the first piece.
#[derive(Debug, Serialize)]
pub(super) struct Said {
    bot: i64,
    chat_id: i64,
    update_id: u32,
    message_id: i32,
    /// All pieces, when there is more than one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Piece {
    update_id: u32,
    message_id: i32,
}

pub(super) async fn say(
    State(world): State<Arc<World>>,
    Checked(order): Checked<Say>,
) -> Result<Json<Said>, Problem> {
    if order.text.is_empty() && order.media.is_none() {
        return Err(Problem::field(
            "text",
            "must not be empty unless media is given",
        ));
    }
    let bot = named(&world, Name::text(order.bot.as_ref()).as_deref())?;
    let pieces = if order.edit_message_id.is_some() {
        vec![order.text.clone()]
    } else {
        entities::pieces(&order.text)
    };
    let mut said = Vec::with_capacity(pieces.len());
    {
        let mut state = bot.lock();
        if state.updates.is_full() {
            return Err(Problem::new(
                503,
                "Too much is waiting",
                "the bot takes nothing; its webhook or poller is away",
            ));
        }
        for piece in pieces {
            let words = entities::typed(&piece);
            said.push(say_piece(&mut state, &order, words)?);
        }
    }
    bot.wake();
    world.changed(bot.id, order.chat_id);
    let Some(Piece {
        update_id,
        message_id,
    }) = said.first().copied()
    else {
        return Err(Problem::field("text", "must not be empty"));
    };
    let pieces = if said.len() > 1 { said } else { Vec::new() };
    Ok(Json(Said {
        bot: bot.id,
        chat_id: order.chat_id,
        update_id,
        message_id,
        pieces,
    }))
}

/// The bot that a control request means, or the refusal that names the field.
pub(super) fn named(world: &World, name: Option<&str>) -> Result<Arc<Bot>, Problem> {
    world
        .bot_named(name)
        .ok_or_else(|| Problem::field("bot", "is not known; give its number or user name"))
}

fn say_piece(state: &mut bot::State, order: &Say, words: Formatted) -> Result<Piece, Problem> {
    let person = person(order)?;
    let media = order.media.as_ref().map(|media| match media {
        Media::Kind(kind) => state.files.attach(*kind, None, None),
        Media::Full {
            kind,
            file_name,
            file_size,
        } => state.files.attach(*kind, file_name.as_deref(), *file_size),
    });
    let kind = order.chat_type.unwrap_or_else(|| kind_of(order.chat_id));
    let too_many = || {
        Problem::new(
            503,
            "Too many chats",
            "this bot has no room for another chat",
        )
    };
    let chat = state.chat(order.chat_id, kind).ok_or_else(too_many)?;
    chat.meet(&person);
    chat.last_heard = Some(Instant::now());
    if chat.standing == Standing::Blocked {
        // Whoever writes has unblocked the bot.
        chat.standing = Standing::Open;
    }
    let author = if order.anonymous {
        Author::Group
    } else {
        Author::Person(person.id)
    };
    let update_kind = if order.edit_message_id.is_some() {
        "edited_message"
    } else {
        "message"
    };
    let message = match order.edit_message_id {
        Some(id) => edited(chat, id, author, words)?,
        None => written(chat, order, author, words, media)?,
    };
    let message_id = message.id;
    state.keep(order.chat_id, message);
    let update_id = queue_message(state, order.chat_id, message_id, update_kind)?;
    Ok(Piece {
        update_id,
        message_id,
    })
}

fn person(order: &Say) -> Result<User, Problem> {
    let own = (order.chat_id > 0).then_some(order.chat_id);
    let id = if order.anonymous {
        Some(ANONYMOUS_ADMIN_ID)
    } else {
        order.user_id.or(own)
    };
    let id = id.ok_or_else(|| Problem::field("user_id", "is needed in a group"))?;
    let (name, username) = if order.anonymous {
        ("Group".to_owned(), Some("GroupAnonymousBot".to_owned()))
    } else {
        (
            order
                .first_name
                .clone()
                .unwrap_or_else(|| format!("Person {id}")),
            order.username.clone(),
        )
    };
    Ok(User {
        id,
        is_bot: order.anonymous,
        first_name: name,
        last_name: None,
        username,
        language_code: order.language_code.clone(),
    })
}

fn edited(chat: &Chat, id: i32, author: Author, words: Formatted) -> Result<Kept, Problem> {
    let old = chat.messages.get(&id).filter(|old| old.author == author);
    let old = old.ok_or_else(|| {
        Problem::field(
            "edit_message_id",
            "is no message of this person in this chat",
        )
    })?;
    let mut new = old.clone();
    new.words = words;
    new.edited_at_ms = Some(now_ms());
    new.edits += 1;
    Ok(new)
}

fn written(
    chat: &mut Chat,
    order: &Say,
    author: Author,
    words: Formatted,
    media: Option<Map<String, Value>>,
) -> Result<Kept, Problem> {
    if let Some(id) = order
        .reply_to_message_id
        .filter(|id| !chat.messages.contains_key(id))
    {
        return Err(Problem::field(
            "reply_to_message_id",
            format!("{id} is not in this chat"),
        ));
    }
    Ok(Kept {
        id: chat.next_id(),
        author,
        at_ms: now_ms(),
        edited_at_ms: None,
        edits: 0,
        words,
        media,
        media_group_id: order.media_group_id.clone(),
        reply_to: order.reply_to_message_id,
        thread: order.message_thread_id,
        keyboard: None,
        update_id: None,
    })
}

/// Makes the update for a message of the chat and queues it.
fn queue_message(
    state: &mut bot::State,
    chat_id: i64,
    message_id: i32,
    kind: &'static str,
) -> Result<u32, Problem> {
    let update_id = state.updates.number();
    let lost = || Problem::new(500, "The message is gone", "it was dropped to make room");
    let chat = state.chats.get_mut(&chat_id).ok_or_else(lost)?;
    let message = chat.messages.get_mut(&message_id).ok_or_else(lost)?;
    message.update_id = Some(update_id);
    let chat = state.chats.get(&chat_id).ok_or_else(lost)?;
    let message = chat.messages.get(&message_id).ok_or_else(lost)?;
    let body = update_body(update_id, kind, &chat.wire(message, &state.me))?;
    let fate = Fate {
        update_id,
        chat_id,
        kind,
        message_id: Some(message_id),
        said_at_ms: now_ms(),
        ..Fate::default()
    };
    if state.updates.wants(kind) {
        state.updates.push(fate, body, Instant::now());
    }
    Ok(update_id)
}

/// An update as it goes over the wire.
pub(super) fn update_body(
    update_id: u32,
    kind: &str,
    content: &impl Serialize,
) -> Result<Bytes, Problem> {
    let unwritable = |error: serde_json::Error| {
        Problem::new(500, "The update cannot be written", error.to_string())
    };
    let content = serde_json::to_string(content).map_err(unwritable)?;
    Ok(Bytes::from(format!(
        "{{\"update_id\":{update_id},\"{kind}\":{content}}}"
    )))
}
