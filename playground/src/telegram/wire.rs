//! The Bot API objects as they go over the wire, built from what a chat keeps.
//!
//! Only the fields this stand-in can fill are here; `tests/doors/bot_api.rs` reads them back with frankenstein's types, which follow the real API.

use frankenstein::types::{InlineKeyboardMarkup, MessageEntity};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A person or a bot.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) is_bot: bool,
    pub(crate) first_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) language_code: Option<String>,
}

/// `getMe`'s user: only a bot asking about itself sees what it may do.
#[derive(Debug, Serialize)]
pub(crate) struct Me {
    #[serde(flatten)]
    pub(crate) user: User,
    pub(crate) can_join_groups: bool,
    pub(crate) can_read_all_group_messages: bool,
    pub(crate) supports_guest_queries: bool,
    pub(crate) supports_inline_queries: bool,
    pub(crate) can_connect_to_business: bool,
    pub(crate) has_main_web_app: bool,
    pub(crate) has_topics_enabled: bool,
    pub(crate) allows_users_to_create_topics: bool,
    pub(crate) can_manage_bots: bool,
}

/// The kinds of chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChatKind {
    Private,
    Group,
    Supergroup,
    Channel,
}

/// A chat as messages carry it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Chat {
    pub(crate) id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_name: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: ChatKind,
}

/// A message in an answer or an update.
#[derive(Debug, Serialize)]
pub(crate) struct Message<'a> {
    pub(crate) message_id: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_thread_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<&'a User>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sender_chat: Option<&'a Chat>,
    pub(crate) chat: &'a Chat,
    pub(crate) date: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edit_date: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply_to_message: Option<Box<Message<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) media_group_id: Option<&'a str>,
    #[serde(flatten)]
    pub(crate) body: Body<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply_markup: Option<&'a InlineKeyboardMarkup>,
}

/// Text, or a medium with a caption; a medium's own field (`photo`, `voice`, …) is named by its kind.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) entities: &'a [MessageEntity],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) caption: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) caption_entities: &'a [MessageEntity],
    #[serde(flatten)]
    pub(crate) media: Option<&'a serde_json::Map<String, Value>>,
}

/// A button's press.
#[derive(Debug, Serialize)]
pub(crate) struct CallbackQuery<'a> {
    pub(crate) id: &'a str,
    pub(crate) from: &'a User,
    pub(crate) message: Message<'a>,
    pub(crate) chat_instance: String,
    pub(crate) data: &'a str,
}

/// `getWebhookInfo`'s answer.
#[derive(Debug, Serialize)]
pub(crate) struct WebhookInfo<'a> {
    pub(crate) url: &'a str,
    pub(crate) has_custom_certificate: bool,
    pub(crate) pending_update_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_error_date: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_error_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_connections: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ip_address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allowed_updates: Option<&'a [String]>,
}
