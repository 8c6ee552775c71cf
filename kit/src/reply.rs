//! What a bot says: words, buttons, and whether it quotes.
//!
//! A reply is provider-neutral. Channels turn [`Markup`] into their own formatting, split what is too long, store the buttons'
//! meanings and send; none of that can fail here.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ChatId, ChatKind, Incoming, MessageRef, PersonId, Role, Who};

/// How long a button works unless it says otherwise: one day.
const BUTTON_EXPIRES_IN: Duration = Duration::from_secs(24 * 60 * 60);

/// Words to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Markup {
    /// Exactly these characters.
    Plain(String),
    /// A small Markdown (emphasis, code, links, lists); a newline is a newline. What does not parse is shown as it is.
    Markdown(String),
}

impl Markup {
    /// The characters, with formatting marks if there are any.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Markdown(text) => text,
        }
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The words.
    pub text: Markup,
    /// Rows of buttons below them.
    pub buttons: Vec<Vec<ReplyButton>>,
    /// Whether the answer shows what it answers.
    pub quote: Quote,
}

/// Whether an answer shows the message that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quote {
    /// In groups, where several people talk at once.
    InGroups,
    /// Always: the chat may have moved on since.
    Always,
    /// Never.
    Never,
}

/// A button below a reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplyButton {
    /// What is written on it.
    pub label: String,
    /// The [`Button`](crate::Button) trigger that a press calls.
    pub name: String,
    /// What that trigger gets.
    pub payload: serde_json::Value,
    /// Who may press it; `None` means whoever is answered.
    pub who: Option<Who>,
    /// How long it works.
    pub expires_in: Duration,
}

impl Reply {
    /// Exactly these characters.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::of(Markup::Plain(text.into()))
    }

    /// Text with a small Markdown, such as a model writes.
    pub fn markdown(text: impl Into<String>) -> Self {
        Self::of(Markup::Markdown(text.into()))
    }

    fn of(text: Markup) -> Self {
        Self {
            text,
            buttons: Vec::new(),
            quote: Quote::InGroups,
        }
    }

    /// Adds a row of buttons.
    #[must_use]
    pub fn row(mut self, buttons: impl IntoIterator<Item = ReplyButton>) -> Self {
        self.buttons.push(buttons.into_iter().collect());
        self
    }

    /// Shows what it answers, in private chats too.
    #[must_use]
    pub fn quoting(mut self) -> Self {
        self.quote = Quote::Always;
        self
    }
}

impl ReplyButton {
    /// A button that calls the trigger `name`; whoever is answered may press it for a day.
    pub fn new(label: impl Into<String>, name: &str, payload: serde_json::Value) -> Self {
        Self {
            label: label.into(),
            name: name.to_owned(),
            payload,
            who: None,
            expires_in: BUTTON_EXPIRES_IN,
        }
    }

    /// Only for this person.
    #[must_use]
    pub fn only_for(mut self, person: PersonId) -> Self {
        self.who = Some(Who::Person(person));
        self
    }

    /// For everybody with at least this role.
    #[must_use]
    pub fn for_role(mut self, role: Role) -> Self {
        self.who = Some(Who::Role(role));
        self
    }

    /// Works this long.
    #[must_use]
    pub fn expiring_in(mut self, span: Duration) -> Self {
        self.expires_in = span;
        self
    }
}

/// A reply with its address, as the kit hands it to [`Services::say`](crate::Services::say).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Say {
    /// The chat.
    pub chat: ChatId,
    /// The topic inside it.
    pub topic: Option<String>,
    /// The message to quote, decided by the kit from [`Reply::quote`] and the kind of chat.
    pub quote: Option<MessageRef>,
    /// An own message to edit instead of sending a new one.
    pub replaces: Option<MessageRef>,
    /// What to say. Each button's `who` is filled in.
    pub reply: Reply,
}

impl Say {
    /// Addresses a reply to whoever caused `incoming`: in its chat and topic, quoting it where that helps, with buttons for them.
    #[must_use]
    pub fn answering(incoming: &Incoming, mut reply: Reply, replaces: Option<MessageRef>) -> Self {
        for button in reply.buttons.iter_mut().flatten() {
            button.who.get_or_insert(Who::Person(incoming.person.id));
        }
        let quotes = match reply.quote {
            Quote::Always => true,
            Quote::InGroups => incoming.chat.kind != ChatKind::Private,
            Quote::Never => false,
        };
        let quote = incoming
            .message
            .as_ref()
            .filter(|_| quotes && replaces.is_none())
            .cloned();
        Self {
            chat: incoming.chat.id.clone(),
            topic: incoming.chat.topic.clone(),
            quote,
            replaces,
            reply,
        }
    }
}
