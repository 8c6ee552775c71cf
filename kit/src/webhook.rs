//! Telling a receiver elsewhere what happened: an event for an address that a person has entered.
//!
//! An app names a webhook of a chat and posts to it; where it leads, how it is signed, when it is tried again and what may be
//! called at all is decided behind the services. An app never sees a URL again that it has handed in.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use crate::ChatId;

/// Which webhook: each chat has its own of each name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WebhookName {
    /// The chat.
    pub chat: ChatId,
    /// App and name, as `hub.digest`.
    pub name: String,
}

/// Something that happened, on its way to a webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Posting {
    /// To which.
    pub to: WebhookName,
    /// What happened, in words with dots between them, such as `digest.daily`.
    pub kind: String,
    /// The rest. A receiver takes some 20 kB gladly; 64 KiB at most are sent.
    pub data: Value,
}

/// A webhook that was pointed at a URL.
#[derive(Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// Where it leads.
    pub host: String,
    /// What its receiver verifies signatures with. Shown to whoever set it up, once.
    pub key: String,
}

impl fmt::Debug for NewWebhook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NewWebhook")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// A webhook as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where it leads.
    pub host: String,
    /// How the last delivery went.
    pub last: LastPosting,
}

/// How the last delivery to a webhook went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastPosting {
    /// There was none.
    None,
    /// It was taken.
    Taken {
        /// When.
        at: Timestamp,
    },
    /// It was not.
    Failed {
        /// When.
        at: Timestamp,
        /// Why, as one of a few fixed words, such as `not_sent`.
        why: String,
    },
    /// The receiver wants no more, and gets none.
    Ended {
        /// When it said so.
        at: Timestamp,
    },
}

/// Why a webhook is not pointed at a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookProblem {
    /// This house sends none.
    NotSetUp,
    /// It is no URL with a host.
    NotAUrl,
    /// It is too long.
    TooLong,
    /// There are blanks, backslashes or characters beyond ASCII in it.
    Characters,
    /// It does not begin with `https://`.
    Scheme,
    /// There is a user or a password in it.
    UserInfo,
    /// There is a `#` in it.
    Fragment,
    /// The host has a more usual form.
    Spelling {
        /// This one.
        usual: String,
    },
    /// The port may not be called.
    Port {
        /// The ones that may be.
        allowed: Vec<u16>,
    },
    /// The host is an address that is not of the public internet.
    Address,
}
