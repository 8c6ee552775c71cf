//! The Bot API's own types, as far as we speak them.
//!
//! They are frankenstein's: exact, and kept up with the Bot API by people who do only that. Named here once, so that
//! replacing them touches one file.

pub use frankenstein::types::{
    BotCommand, BotCommandScope, CallbackQuery, Chat, ChatAction, ChatMember, ChatMemberUpdated,
    ChatType, InlineKeyboardButton, InlineKeyboardMarkup, MaybeInaccessibleMessage, Message,
    MessageEntity, MessageEntityType, User,
};
pub use frankenstein::updates::{Update, UpdateContent, WebhookInfo};
