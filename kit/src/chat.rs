//! Where something was said.

use serde::{Deserialize, Serialize};

/// The provider's id of a chat, as text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChatId(pub String);

/// A chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// Which chat.
    pub id: ChatId,
    /// The topic inside it, when the chat has topics; answers stay in it.
    pub topic: Option<String>,
    /// How many listen.
    pub kind: ChatKind,
}

/// How many listen in a chat, which decides when a bot may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatKind {
    /// One person and the bot: every word is for the bot.
    Private,
    /// Several people: the bot speaks when it is spoken to.
    Group,
    /// A broadcast: the bot stays silent.
    Channel,
}

/// The chats in which a command is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scopes {
    /// Private chats and groups.
    Everywhere,
    /// Private chats only: what it shows is not for the others in the room.
    PrivateOnly,
}

impl Scopes {
    /// Whether a command with these scopes may be used in such a chat.
    #[must_use]
    pub fn covers(self, kind: ChatKind) -> bool {
        match kind {
            ChatKind::Private => true,
            ChatKind::Group => self == Self::Everywhere,
            ChatKind::Channel => false,
        }
    }
}
