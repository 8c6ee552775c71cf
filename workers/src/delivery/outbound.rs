//! What waits on the queue to be said: the payload of `telegram.send`.
//!
//! It outlives deployments, so fields are only added, with a default. It holds the words as the app wrote them: they
//! are formatted and cut when they are sent, by the same rules in every attempt.

use sallyport_kit::Markup;
use sallyport_queue::NewMessage;
use serde::{Deserialize, Serialize};

use super::queued::queued;

/// The queue's kind.
pub const KIND: &str = "telegram.send";
/// Version of the payload.
pub const KIND_VERSION: u16 = 1;

/// Something to say in a chat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outbound {
    /// The chat.
    pub chat: i64,
    /// Whether it is a group, which has limits of its own.
    #[serde(default)]
    pub to_group: bool,
    /// The topic inside it.
    #[serde(default)]
    pub topic: Option<i32>,
    /// The message to quote.
    #[serde(default)]
    pub quote: Option<i32>,
    /// The words.
    pub text: Markup,
    /// Rows of buttons.
    #[serde(default)]
    pub buttons: Vec<Vec<OutboundButton>>,
    /// What becomes of it on the screen.
    #[serde(default)]
    pub form: Form,
}

/// A button: its meaning is stored under the id in `data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundButton {
    /// What is written on it.
    pub label: String,
    /// What a press carries, at most 64 bytes.
    pub data: String,
}

/// What becomes of it on the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A message of its own.
    #[default]
    New,
    /// New text for an own message.
    Edit {
        /// Which.
        message: i32,
    },
    /// The beginning of a streamed answer: sent if the answer has no message yet.
    AnswerBegins(AnswerName),
    /// The whole of a streamed answer: what is on the screen is edited, the rest follows as replies.
    AnswerIs(AnswerName),
}

/// Which streamed answer of a chat.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AnswerName {
    /// The app it belongs to.
    pub app: String,
    /// The app's name for it.
    pub slot: String,
}

impl Outbound {
    /// A message for the queue. Everything said in one chat has one key, so it is said in order (law L8).
    ///
    /// # Errors
    /// Never in practice: the payload is made of text and numbers.
    pub fn message(
        &self,
        bot: &str,
        trace: sallyport_telemetry::trace::SpanContext,
    ) -> Result<NewMessage, serde_json::Error> {
        let key = format!("out:telegram:{bot}:{}", self.chat);
        queued(bot, (KIND, KIND_VERSION), key, self, trace)
    }
}

#[cfg(test)]
mod tests {
    use sallyport_kit::Markup;

    use super::{Form, Outbound};

    #[test]
    fn the_shortest_payload_ever_written_still_parses() {
        let outbound: Outbound =
            serde_json::from_str(r#"{"chat": 7, "text": {"plain": "hello"}}"#).expect("it parses");

        assert_eq!(outbound.text, Markup::Plain("hello".to_owned()));
        assert_eq!(outbound.form, Form::New);
    }
}
