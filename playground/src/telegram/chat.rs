//! A chat as a person sees it: its messages in order, who is in it, and what the bot shows for a moment (typing, a draft).
//!
//! Kept small on purpose: one record per message, turned into Bot API objects only when somebody asks.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use frankenstein::types::{InlineKeyboardMarkup, MessageEntity};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    limits::Bucket,
    wire::{self, Body, ChatKind, User},
};

/// People remembered per chat; a group's older speakers are forgotten (their messages then show no name).
const PEOPLE_MAX: usize = 1_000;

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    Bot,
    Person(i64),
    /// An anonymous administrator: the group itself speaks.
    Group,
}

/// Text with its entities.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Formatted {
    pub(crate) text: String,
    pub(crate) entities: Vec<MessageEntity>,
}

/// One message.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) id: i32,
    pub(crate) author: Author,
    /// Milliseconds since 1970.
    pub(crate) at_ms: i64,
    pub(crate) edited_at_ms: Option<i64>,
    pub(crate) edits: u32,
    /// The text, or the caption when there is a medium.
    pub(crate) words: Formatted,
    pub(crate) media: Option<serde_json::Map<String, Value>>,
    pub(crate) media_group_id: Option<String>,
    pub(crate) reply_to: Option<i32>,
    pub(crate) thread: Option<i32>,
    pub(crate) keyboard: Option<InlineKeyboardMarkup>,
    /// The update that carried it to the bot, for what people wrote.
    pub(crate) update_id: Option<u32>,
}

impl Kept {
    pub(crate) fn bytes(&self) -> usize {
        400 + self.words.text.len() + self.words.entities.len() * 80
    }
}

/// Whether the bot may still write here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    #[default]
    Open,
    /// The person blocked the bot.
    Blocked,
    /// The bot was removed from the group.
    Kicked,
    /// The chat is gone.
    NotFound,
    /// The group became a supergroup; `migrate_to_chat_id` says which.
    Migrated,
}

/// An ephemeral preview of a streamed answer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Draft {
    pub(crate) draft_id: i64,
    pub(crate) text: String,
    #[serde(skip)]
    pub(crate) until_ms: i64,
}

/// One chat of one bot.
pub(crate) struct Chat {
    pub(crate) face: wire::Chat,
    pub(crate) people: HashMap<i64, User>,
    pub(crate) messages: BTreeMap<i32, Kept>,
    pub(crate) standing: Standing,
    pub(crate) migrate_to: Option<i64>,
    pub(crate) last_heard: Option<Instant>,
    pub(crate) sends: Bucket,
    pub(crate) edits: Bucket,
    pub(crate) draft: Option<Draft>,
    /// "typing" and its like, until when.
    pub(crate) action: Option<(String, i64)>,
    next_message_id: i32,
}

impl Chat {
    /// A new chat; its messages are numbered from `first_message_id`, which a restart should choose afresh.
    pub(crate) fn new(id: i64, kind: ChatKind, first_message_id: i32) -> Self {
        let private = kind == ChatKind::Private;
        let face = wire::Chat {
            id,
            title: (!private).then(|| format!("Group {}", id.unsigned_abs())),
            username: None,
            first_name: private.then(|| format!("Person {id}")),
            kind,
        };
        Self {
            face,
            people: HashMap::new(),
            messages: BTreeMap::new(),
            standing: Standing::default(),
            migrate_to: None,
            last_heard: None,
            sends: Bucket::default(),
            edits: Bucket::default(),
            draft: None,
            action: None,
            next_message_id: first_message_id,
        }
    }

    pub(crate) fn is_private(&self) -> bool {
        self.face.kind == ChatKind::Private
    }

    /// Remembers a person, and in a private chat lends the chat their name.
    pub(crate) fn meet(&mut self, person: &User) {
        if self.people.len() >= PEOPLE_MAX && !self.people.contains_key(&person.id) {
            self.people.clear();
        }
        if self.is_private() && self.face.id == person.id {
            self.face.first_name = Some(person.first_name.clone());
            self.face.username.clone_from(&person.username);
        }
        self.people.insert(person.id, person.clone());
    }

    pub(crate) fn next_id(&mut self) -> i32 {
        let id = self.next_message_id;
        self.next_message_id = id.wrapping_add(1).max(1);
        id
    }

    /// A message as the Bot API shows it, with the message it replies to (one level deep, as there).
    pub(crate) fn wire<'a>(&'a self, message: &'a Kept, bot: &'a User) -> wire::Message<'a> {
        let quoted = message.reply_to.and_then(|id| self.messages.get(&id));
        let mut wire = self.wire_alone(message, bot);
        wire.reply_to_message = quoted.map(|quoted| Box::new(self.wire_alone(quoted, bot)));
        wire
    }

    fn wire_alone<'a>(&'a self, message: &'a Kept, bot: &'a User) -> wire::Message<'a> {
        let (from, sender_chat) = match message.author {
            Author::Bot => (Some(bot), None),
            Author::Person(id) => (self.people.get(&id), None),
            Author::Group => (self.people.get(&ANONYMOUS_ADMIN_ID), Some(&self.face)),
        };
        wire::Message {
            message_id: message.id,
            message_thread_id: message.thread,
            from,
            sender_chat,
            chat: &self.face,
            date: message.at_ms / 1_000,
            edit_date: message.edited_at_ms.map(|at| at / 1_000),
            reply_to_message: None,
            media_group_id: message.media_group_id.as_deref(),
            body: body(message),
            reply_markup: message.keyboard.as_ref(),
        }
    }
}

/// The account behind which Telegram hides a group's anonymous administrators.
pub(crate) const ANONYMOUS_ADMIN_ID: i64 = 1_087_968_824;

fn body(message: &Kept) -> Body<'_> {
    let (words, entities) = (
        message.words.text.as_str(),
        message.words.entities.as_slice(),
    );
    match &message.media {
        None => Body {
            text: Some(words),
            entities,
            ..Body::default()
        },
        Some(media) => Body {
            caption: (!words.is_empty()).then_some(words),
            caption_entities: entities,
            media: Some(media),
            ..Body::default()
        },
    }
}
