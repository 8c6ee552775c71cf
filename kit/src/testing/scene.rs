//! One thing that happens to the bot, told in a sentence: `Scene::says("/status").by(Role::Operator).in_group()`.

use jiff::Timestamp;

use crate::{
    Attachment, Chat, ChatId, ChatKind, Incoming, Language, MediaKind, MessageRef, Person,
    PersonId, PersonKind, Press, Quoted, Role, StoredButton, Us, What,
};

/// Something that happens. By default a member called Ada does it in a private chat, in English, as message `1`.
#[derive(Clone, Debug)]
pub struct Scene {
    incoming: Incoming,
    at: Option<Timestamp>,
}

impl Scene {
    fn new(what: What) -> Self {
        let person = Person {
            id: PersonId(7),
            subject: "123456".into(),
            name: "Ada".into(),
            language: Language::English,
            role: Role::Member,
            kind: PersonKind::Human,
        };
        let incoming = Incoming {
            us: Us {
                bot: "ops".into(),
                username: "sallybot".into(),
            },
            chat: Chat {
                id: ChatId("7".into()),
                topic: None,
                kind: ChatKind::Private,
            },
            person,
            message: Some(MessageRef("1".into())),
            quoted: None,
            what,
            at: Timestamp::UNIX_EPOCH,
        };
        Self { incoming, at: None }
    }

    /// Somebody writes.
    #[must_use]
    pub fn says(text: &str) -> Self {
        Self::new(What::Text { text: text.into() })
    }

    /// Somebody edits what they wrote.
    #[must_use]
    pub fn edits(text: &str) -> Self {
        Self::new(What::Edited { text: text.into() })
    }

    /// Somebody sends a file.
    #[must_use]
    pub fn sends(media: MediaKind, caption: Option<&str>) -> Self {
        Self::new(What::Media(Attachment {
            media,
            caption: caption.map(str::to_owned),
            album: None,
            bytes: Some(1000),
        }))
    }

    /// Somebody joins, or does another thing that no app handles.
    #[must_use]
    pub fn other(name: &str) -> Self {
        Self::new(What::Other { name: name.into() })
    }

    /// Somebody, who presses a button.
    #[must_use]
    pub fn somebody() -> Self {
        Self::other("nothing yet")
    }

    /// With this role.
    #[must_use]
    pub fn by(mut self, role: Role) -> Self {
        self.incoming.person.role = role;
        self
    }

    /// As another person.
    #[must_use]
    pub fn by_person(mut self, id: i64) -> Self {
        self.incoming.person.id = PersonId(id);
        self
    }

    /// As no ordinary person.
    #[must_use]
    pub fn by_kind(mut self, kind: PersonKind) -> Self {
        self.incoming.person.kind = kind;
        self
    }

    /// By somebody who reads this language.
    #[must_use]
    pub fn reading(mut self, language: Language) -> Self {
        self.incoming.person.language = language;
        self
    }

    /// In a group.
    #[must_use]
    pub fn in_group(mut self) -> Self {
        self.incoming.chat = Chat {
            id: ChatId("-100".into()),
            topic: None,
            kind: ChatKind::Group,
        };
        self
    }

    /// In a channel.
    #[must_use]
    pub fn in_channel(mut self) -> Self {
        self.incoming.chat.kind = ChatKind::Channel;
        self
    }

    /// As this message.
    #[must_use]
    pub fn as_message(mut self, message: &str) -> Self {
        self.incoming.message = Some(MessageRef(message.into()));
        self
    }

    /// As a part of this album.
    #[must_use]
    pub fn in_album(mut self, album: &str) -> Self {
        if let What::Media(file) = &mut self.incoming.what {
            file.album = Some(album.into());
        }
        self
    }

    /// In reply to something that the bot said.
    #[must_use]
    pub fn replying_to_us(mut self) -> Self {
        self.incoming.quoted = Some(Quoted {
            message: MessageRef("0".into()),
            text: None,
            by_us: true,
        });
        self
    }

    /// In reply to something that somebody else said.
    #[must_use]
    pub fn replying_to(mut self, text: &str) -> Self {
        self.incoming.quoted = Some(Quoted {
            message: MessageRef("0".into()),
            text: Some(text.into()),
            by_us: false,
        });
        self
    }

    /// At this time rather than now.
    #[must_use]
    pub fn at(mut self, time: Timestamp) -> Self {
        self.at = Some(time);
        self
    }

    /// The message itself, for tests that route without a stage.
    #[must_use]
    pub fn incoming(self) -> Incoming {
        let at = self.at.unwrap_or(self.incoming.at);
        Incoming {
            at,
            ..self.incoming
        }
    }

    pub(super) fn pressing(mut self, button: StoredButton) -> Self {
        self.incoming.what = What::Button(Press {
            button: Some(button),
        });
        self
    }

    pub(super) fn at_or(self, now: Timestamp) -> Incoming {
        Incoming {
            at: self.at.unwrap_or(now),
            ..self.incoming
        }
    }
}
