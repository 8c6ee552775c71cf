//! Who is speaking, and what they may do.
//!
//! A [`Person`] is what the house knows of a sender; how identities of providers become persons is the business of `workers`.

use serde::{Deserialize, Serialize};

use crate::Language;

/// The house's own id of a person, the same across providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonId(pub i64);

/// What a person may do; each role may do everything that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Not let in: reads once an hour that the bot is private.
    Guest,
    /// May use the bot.
    Member,
    /// May look into the house and repair it.
    Operator,
    /// May decide who is who.
    Owner,
}

/// A sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The house's id.
    pub id: PersonId,
    /// The provider's id of them, which they may quote to be let in.
    pub subject: String,
    /// What to call them.
    pub name: String,
    /// The language in which they are answered.
    pub language: Language,
    /// What they may do.
    pub role: Role,
    /// Whether a human being known to the provider is behind it.
    pub kind: PersonKind,
}

/// Who, or what, is behind a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonKind {
    /// A person with a name.
    Human,
    /// An administrator who hides behind the group's name: nobody knows who, so no role above member applies.
    AnonymousAdmin,
    /// A channel that writes into a group, or a forwarded post. It is never answered.
    Channel,
    /// Another bot. It is never answered, or two bots would talk for ever.
    Bot,
}
