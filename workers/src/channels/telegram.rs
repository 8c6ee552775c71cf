//! Telegram's updates in the kit's words.
//!
//! Pure: bytes in, meaning out. Whatever the Bot API adds and we do not handle becomes [`Meaning::Nothing`] with its
//! name, so that it ends as ignored instead of as an error.

use kit::{
    Attachment, Chat, ChatId, ChatKind, Language, MediaKind, MessageRef, PersonKind, Quoted,
};
use sallyport_kit as kit;
use sallyport_telegram::wire::{
    CallbackQuery, Chat as WireChat, ChatMember, ChatMemberUpdated, ChatType,
    MaybeInaccessibleMessage, Message, Update, UpdateContent, User,
};

/// Provider's name in identities and subjects.
pub const PROVIDER: &str = "telegram";
/// The account that stands for every anonymous administrator.
const ANONYMOUS_ADMIN: u64 = 1_087_968_824;
/// The account that posts a linked channel's messages into its group.
const CHANNEL_BOT: u64 = 136_817_688;

/// What an update means.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// Somebody did something in a chat.
    Heard(Box<Heard>),
    /// The bot can or cannot write to a chat any more.
    Reachable {
        /// The chat.
        chat: Chat,
        /// Whether it can.
        reachable: bool,
    },
    /// A group goes on under another id.
    Moved {
        /// The id it had.
        from: ChatId,
        /// The id it has.
        to: ChatId,
    },
    /// A kind that nobody handles.
    Nothing {
        /// Telegram's name for it.
        name: &'static str,
    },
}

/// Something that somebody did.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Where.
    pub chat: Chat,
    /// Who.
    pub sender: Sender,
    /// The message itself; for a button the message it is under.
    pub message: Option<MessageRef>,
    /// The message it replies to.
    pub quoted: Option<Quoted>,
    /// What.
    pub act: Act,
}

/// Who did it, as Telegram describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Telegram's id of the account or, for channels and anonymous administrators, of the chat behind it.
    pub subject: String,
    /// What to call them. Free of NUL.
    pub name: String,
    /// Their client's language.
    pub language: Language,
    /// Whether a human is behind it.
    pub kind: PersonKind,
}

/// What they did.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Wrote.
    Text(String),
    /// Edited.
    Edited(String),
    /// Sent a file.
    Media(Attachment),
    /// Pressed a button.
    Press {
        /// Telegram's id of the press, needed to confirm it.
        press: String,
        /// What the button carries.
        data: String,
    },
}

/// Reads an update. Unknown shapes are nothing, never an error: the bytes stay on the queue's log.
#[must_use]
pub fn read(body: &[u8], bot_id: i64) -> Meaning {
    let Ok(update) = serde_json::from_slice::<Update>(body) else {
        return Meaning::Nothing { name: "unknown" };
    };
    match update.content {
        UpdateContent::Message(message) => said(*message, bot_id, Said::New),
        UpdateContent::EditedMessage(message) => said(*message, bot_id, Said::Edited),
        UpdateContent::CallbackQuery(query) => pressed(*query),
        UpdateContent::MyChatMember(change) => reachable(&change),
        UpdateContent::ChannelPost(_) | UpdateContent::EditedChannelPost(_) => Meaning::Nothing {
            name: "channel_post",
        },
        other => Meaning::Nothing {
            name: name_of(&other),
        },
    }
}

fn name_of(content: &UpdateContent) -> &'static str {
    match content {
        UpdateContent::InlineQuery(_) => "inline_query",
        UpdateContent::PreCheckoutQuery(_) => "pre_checkout_query",
        UpdateContent::MessageReaction(_) => "message_reaction",
        UpdateContent::ChatMember(_) => "chat_member",
        UpdateContent::Poll(_) => "poll",
        UpdateContent::PollAnswer(_) => "poll_answer",
        _ => "other",
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Said {
    New,
    Edited,
}

fn said(message: Message, bot_id: i64, said: Said) -> Meaning {
    if let Some(to) = message.migrate_to_chat_id {
        return Meaning::Moved {
            from: ChatId(message.chat.id.to_string()),
            to: ChatId(to.to_string()),
        };
    }
    let Some(sender) = sender(&message) else {
        return Meaning::Nothing {
            name: "without_sender",
        };
    };
    let Some(act) = act(&message, said) else {
        return Meaning::Nothing {
            name: "service_message",
        };
    };
    Meaning::Heard(Box::new(Heard {
        chat: chat(&message.chat, topic(&message)),
        sender,
        message: Some(MessageRef(message.message_id.to_string())),
        quoted: message.reply_to_message.as_deref().and_then(|quoted| {
            // In a forum every message "replies" to the one that opened its topic.
            let opens_topic = quoted.forum_topic_created.is_some();
            (!opens_topic).then(|| quotation(quoted, bot_id))
        }),
        act,
    }))
}

fn act(message: &Message, said: Said) -> Option<Act> {
    if let Some(text) = &message.text {
        return Some(match said {
            Said::New => Act::Text(text.clone()),
            Said::Edited => Act::Edited(text.clone()),
        });
    }
    let (media, bytes) = media(message)?;
    match said {
        Said::New => Some(Act::Media(Attachment {
            media,
            caption: message.caption.clone(),
            album: message.media_group_id.clone(),
            bytes,
        })),
        Said::Edited => message.caption.clone().map(Act::Edited),
    }
}

fn media(message: &Message) -> Option<(MediaKind, Option<u64>)> {
    if let Some(sizes) = &message.photo {
        let largest = sizes.iter().filter_map(|size| size.file_size).max();
        return Some((MediaKind::Photo, largest));
    }
    if let Some(voice) = &message.voice {
        return Some((MediaKind::Voice, voice.file_size));
    }
    if let Some(audio) = &message.audio {
        return Some((MediaKind::Audio, audio.file_size));
    }
    if let Some(video) = &message.video {
        return Some((MediaKind::Video, video.file_size));
    }
    if let Some(note) = &message.video_note {
        return Some((MediaKind::Video, note.file_size));
    }
    let document = message.document.as_ref()?;
    Some((MediaKind::Document, document.file_size))
}

fn sender(message: &Message) -> Option<Sender> {
    let account = message.from.as_deref();
    if let Some(behind) = message.sender_chat.as_deref() {
        let is_admin = behind.id == message.chat.id
            && account.is_none_or(|account| account.id == ANONYMOUS_ADMIN);
        return Some(Sender {
            subject: behind.id.to_string(),
            name: without_nul(behind.title.as_deref().unwrap_or_default()),
            language: Language::default(),
            kind: if is_admin {
                PersonKind::AnonymousAdmin
            } else {
                PersonKind::Channel
            },
        });
    }
    account.map(human_or_bot)
}

fn human_or_bot(account: &User) -> Sender {
    let kind = match account.id {
        CHANNEL_BOT => PersonKind::Channel,
        _ if account.is_bot => PersonKind::Bot,
        _ => PersonKind::Human,
    };
    Sender {
        subject: account.id.to_string(),
        name: without_nul(&account.first_name),
        language: Language::from_code(account.language_code.as_deref().unwrap_or_default()),
        kind,
    }
}

/// Postgres keeps no NUL in text, and a name needs none.
fn without_nul(name: &str) -> String {
    name.replace('\0', "")
}

fn pressed(query: CallbackQuery) -> Meaning {
    let (wire_chat, message_id, topic) = match &query.message {
        Some(MaybeInaccessibleMessage::Message(message)) => {
            (&*message.chat, message.message_id, topic(message))
        }
        Some(MaybeInaccessibleMessage::InaccessibleMessage(message)) => {
            (&message.chat, message.message_id, None)
        }
        None => {
            return Meaning::Nothing {
                name: "inline_button",
            };
        }
    };
    let Some(data) = query.data.clone() else {
        return Meaning::Nothing {
            name: "game_button",
        };
    };
    Meaning::Heard(Box::new(Heard {
        chat: chat(wire_chat, topic),
        sender: human_or_bot(&query.from),
        message: Some(MessageRef(message_id.to_string())),
        quoted: None,
        act: Act::Press {
            press: query.id.clone(),
            data,
        },
    }))
}

fn reachable(change: &ChatMemberUpdated) -> Meaning {
    let reachable = match &change.new_chat_member {
        ChatMember::Left(_) | ChatMember::Kicked(_) => false,
        ChatMember::Restricted(restricted) => restricted.is_member,
        ChatMember::Creator(_) | ChatMember::Administrator(_) | ChatMember::Member(_) => true,
    };
    Meaning::Reachable {
        chat: chat(&change.chat, None),
        reachable,
    }
}

fn quotation(quoted: &Message, bot_id: i64) -> Quoted {
    let by = quoted
        .from
        .as_ref()
        .and_then(|user| i64::try_from(user.id).ok());
    Quoted {
        message: MessageRef(quoted.message_id.to_string()),
        text: quoted.text.clone().or_else(|| quoted.caption.clone()),
        by_us: by == Some(bot_id),
    }
}

fn topic(message: &Message) -> Option<String> {
    message
        .message_thread_id
        .filter(|_| message.is_topic_message == Some(true))
        .map(|topic| topic.to_string())
}

fn chat(chat: &WireChat, topic: Option<String>) -> Chat {
    Chat {
        id: ChatId(chat.id.to_string()),
        topic,
        kind: match chat.type_field {
            ChatType::Private => ChatKind::Private,
            ChatType::Group | ChatType::Supergroup => ChatKind::Group,
            ChatType::Channel => ChatKind::Channel,
        },
    }
}

#[cfg(test)]
mod tests;
