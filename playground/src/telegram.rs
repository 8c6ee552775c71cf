//! The Bot API stand-in: what `api.telegram.org` answers, and what it sends to a bot.
//!
//! `http` reads requests of any form the real one takes, `methods` does what they ask, `updates` and `webhook` carry what people say to the bot. Error
//! texts are those of the real server; where we are kinder than it, the crate's first page says so.

pub(crate) mod answer;
pub(crate) mod bot;
pub(crate) mod chat;
pub(crate) mod entities;
pub(crate) mod files;
pub(crate) mod http;
pub(crate) mod limits;
pub(crate) mod log;
pub(crate) mod methods;
pub(crate) mod parameters;
pub(crate) mod updates;
pub(crate) mod webhook;
pub(crate) mod wire;
