//! Saying things: texts, edits, the typing sign, answers to buttons.

use frankenstein::methods::{
    AnswerCallbackQueryParams, EditMessageTextParams, SendChatActionParams, SendMessageParams,
};
use frankenstein::types::{
    ChatAction, InlineKeyboardMarkup, LinkPreviewOptions, ReplyMarkup, ReplyParameters,
};
use serde::Deserialize;

use super::{BotApi, Whatever};
use crate::error::CallError;
use crate::format::Formatted;

/// A new message with text.
#[derive(Debug, Clone, PartialEq)]
pub struct NewText {
    /// The chat it goes to.
    pub chat: i64,
    /// The topic in a forum.
    pub topic: Option<i32>,
    /// At most [`crate::TEXT_UNITS_MAX`] units and not blank.
    pub text: Formatted,
    /// The message it replies to. If that is gone the message is sent without.
    pub reply_to: Option<i32>,
    /// Buttons under it.
    pub buttons: Option<InlineKeyboardMarkup>,
}

/// New text for a message of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct TextEdit {
    /// The chat it is in.
    pub chat: i64,
    /// The message.
    pub message: i32,
    /// At most [`crate::TEXT_UNITS_MAX`] units and not blank.
    pub text: Formatted,
    /// Buttons under it; `None` takes them away.
    pub buttons: Option<InlineKeyboardMarkup>,
}

#[derive(Deserialize)]
struct Sent {
    message_id: i32,
}

impl BotApi {
    /// Sends a text and returns the new message's id.
    ///
    /// # Errors
    /// See [`CallError`]; an ambiguous one may have sent it.
    pub async fn send_text(&self, new: &NewText) -> Result<i32, CallError> {
        let reply = new.reply_to.map(|message| {
            ReplyParameters::builder()
                .message_id(message)
                .allow_sending_without_reply(true)
                .build()
        });
        let params = SendMessageParams::builder()
            .chat_id(new.chat)
            .maybe_message_thread_id(new.topic)
            .text(new.text.text.clone())
            .entities(new.text.wire_entities())
            .link_preview_options(LinkPreviewOptions::DISABLED)
            .maybe_reply_parameters(reply)
            .maybe_reply_markup(new.buttons.clone().map(ReplyMarkup::InlineKeyboardMarkup))
            .build();
        let sent: Sent = self.call("sendMessage", &params).await?;
        Ok(sent.message_id)
    }

    /// Replaces the text of a message. Safe to repeat: an edit that changes nothing is refused as
    /// [`crate::Refusal::NotModified`], which means done.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn edit_text(&self, edit: &TextEdit) -> Result<(), CallError> {
        let params = EditMessageTextParams::builder()
            .chat_id(edit.chat)
            .message_id(edit.message)
            .text(edit.text.text.clone())
            .entities(edit.text.wire_entities())
            .link_preview_options(LinkPreviewOptions::DISABLED)
            .maybe_reply_markup(edit.buttons.clone())
            .build();
        self.call("editMessageText", &params)
            .await
            .map(|_: Whatever| ())
    }

    /// Shows the typing sign for at most five seconds.
    ///
    /// # Errors
    /// See [`CallError`]; nobody needs to act on it.
    pub async fn show_typing(&self, chat: i64, topic: Option<i32>) -> Result<(), CallError> {
        let params = SendChatActionParams::builder()
            .chat_id(chat)
            .maybe_message_thread_id(topic)
            .action(ChatAction::Typing)
            .build();
        self.call("sendChatAction", &params)
            .await
            .map(|_: Whatever| ())
    }

    /// Answers a button press, with a short notice or silently: without an answer the button keeps spinning.
    ///
    /// # Errors
    /// See [`CallError`]; a press that is too old cannot be answered any more.
    pub async fn answer_press(&self, press: &str, notice: Option<&str>) -> Result<(), CallError> {
        let params = AnswerCallbackQueryParams::builder()
            .callback_query_id(press)
            .maybe_text(notice.map(str::to_owned))
            .build();
        self.call("answerCallbackQuery", &params)
            .await
            .map(|_: Whatever| ())
    }
}
