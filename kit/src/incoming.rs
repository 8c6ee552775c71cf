//! What a channel hands to an app: who said what, where and when, in words that fit every provider.
//!
//! It exists so that a command written once works in a private chat, in a group and on the playground's page. The channel (in
//! `workers`) translates its wire format into an [`Incoming`]; routing and handlers see nothing else. It is serialisable,
//! because a task carries the place it was started from as its payload.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Chat, Person, PersonId, PersonKind, Role};

/// One thing that happened in a chat, or one task that is due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incoming {
    /// The bot that heard it.
    pub us: Us,
    /// Where it happened.
    pub chat: Chat,
    /// Who caused it. For a task: whoever caused the message that started it.
    pub person: Person,
    /// The message itself, so that a reply can quote it.
    pub message: Option<MessageRef>,
    /// The message that this one replies to.
    pub quoted: Option<Quoted>,
    /// What happened.
    pub what: What,
    /// When it was said, or for a message accepted late, when it was accepted; lateness counts from here.
    pub at: Timestamp,
}

/// The bot that heard it: one process serves several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Us {
    /// The name this house gives the bot, such as `ops`.
    pub bot: String,
    /// The name people mention it by, without `@`.
    pub username: String,
}

/// A message of the chat, by its provider's id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageRef(pub String);

/// The message that somebody replied to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quoted {
    /// Which message.
    pub message: MessageRef,
    /// Its text or caption, if it had one.
    pub text: Option<String>,
    /// Whether this bot wrote it. Replies to the bot are answered in groups too.
    pub by_us: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum What {
    /// Somebody wrote.
    Text {
        /// Exactly what was written, with any `/command` and `@mention`.
        text: String,
    },
    /// Somebody edited an earlier message ([`Incoming::message`] says which).
    Edited {
        /// The new text.
        text: String,
    },
    /// Somebody sent a file.
    Media(Attachment),
    /// Somebody pressed a button.
    Button(Press),
    /// A task is due.
    Task(TaskCall),
    /// A kind that apps do not handle, such as a join; it ends as ignored.
    Other {
        /// The provider's name for it, for traces.
        name: String,
    },
}

/// A file that somebody sent. Only what the provider said about it; the bytes stay where they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// What it is.
    pub media: MediaKind,
    /// The words beside it.
    pub caption: Option<String>,
    /// The album it belongs to; its parts arrive as messages of their own.
    pub album: Option<String>,
    /// Its size in bytes, as the provider claims.
    pub bytes: Option<u64>,
}

/// The kinds of files that apps tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Photo,
    /// A file of any other type.
    Document,
    /// A spoken message.
    Voice,
    /// Music or another recording.
    Audio,
    /// A film or a round video message.
    Video,
}

impl MediaKind {
    /// The name under which texts select by it: `photo`, `document`, `voice`, `audio`, `video`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Photo => "photo",
            Self::Document => "document",
            Self::Voice => "voice",
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }
}

/// A press on a button.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Press {
    /// The meaning stored under the button's short id; `None` when nothing is stored (any more).
    pub button: Option<StoredButton>,
}

/// What a button means. Channels store it under a short id, because providers allow only a few bytes on the button itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredButton {
    /// The [`Button`](crate::Button) trigger it belongs to.
    pub name: String,
    /// What the handler gets.
    pub payload: serde_json::Value,
    /// Who may press it.
    pub who: Who,
    /// From then on it only says that it is too old.
    pub expires_at: Timestamp,
}

/// Who may press a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Only this person.
    Person(PersonId),
    /// Everybody with at least this role.
    Role(Role),
}

/// A task that is due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskCall {
    /// The [`Task`](crate::Task) trigger it belongs to.
    pub name: String,
    /// What the handler gets.
    pub payload: serde_json::Value,
}

impl Incoming {
    /// The words that were said, edited or put beside a file.
    #[must_use]
    pub fn words(&self) -> Option<&str> {
        match &self.what {
            What::Text { text } | What::Edited { text } => Some(text),
            What::Media(attachment) => attachment.caption.as_deref(),
            What::Button(_) | What::Task(_) | What::Other { .. } => None,
        }
    }

    /// The file that was sent.
    #[must_use]
    pub fn file(&self) -> Option<&Attachment> {
        match &self.what {
            What::Media(file) => Some(file),
            What::Text { .. }
            | What::Edited { .. }
            | What::Button(_)
            | What::Task(_)
            | What::Other { .. } => None,
        }
    }

    /// The role that applies: who hides their name is a member at most.
    #[must_use]
    pub fn known_role(&self) -> Role {
        match self.person.kind {
            PersonKind::Human => self.person.role,
            PersonKind::AnonymousAdmin | PersonKind::Channel | PersonKind::Bot => {
                self.person.role.min(Role::Member)
            }
        }
    }

    /// How long ago it was said; zero when the clocks disagree.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Duration {
        Duration::try_from(now.duration_since(self.at)).unwrap_or_default()
    }
}
