//! What goes to a model and what comes back, in our words, and the translation to and from theirs.
//!
//! It exists because every "OpenAI-compatible" server is compatible in its own way: fields are missing, null, or of
//! values nobody announced. So a chunk is read as leniently as it can be, and only for what we use; what to make of
//! a strange one is the [client](crate::client)'s decision.

use async_openai::types::chat::{
    ChatCompletionRequestAssistantMessage, ChatCompletionRequestMessage,
    ChatCompletionRequestSystemMessage, ChatCompletionRequestUserMessage,
    ChatCompletionStreamOptions, CreateChatCompletionRequest,
};
use serde::Deserialize;

/// Who said a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The person who asks.
    Person,
    /// The model, earlier.
    Model,
}

/// One thing said in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub text: String,
}

/// One question with all that the model is to know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Which of the configured names to ask: `fast`, `smart`.
    pub alias: String,
    /// How the model is to behave; trusted text of ours.
    pub system: Option<String>,
    /// What was said so far, oldest first; the last one is the question.
    pub turns: Vec<Turn>,
    /// A smaller cap on the answer than the configured one.
    pub reply_tokens_max: Option<u32>,
}

impl Prompt {
    /// A question without memory.
    pub fn question(alias: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            alias: alias.into(),
            system: None,
            turns: vec![Turn {
                role: Role::Person,
                text: text.into(),
            }],
            reply_tokens_max: None,
        }
    }

    /// All text together, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let system = self.system.as_ref().map_or(0, String::len);
        self.turns
            .iter()
            .map(|turn| turn.text.len())
            .sum::<usize>()
            .saturating_add(system)
    }

    /// The request body for `model`: streamed, with the usage at its end.
    pub(crate) fn request(
        &self,
        model: &str,
        reply_tokens_max: u32,
    ) -> CreateChatCompletionRequest {
        let system = self
            .system
            .iter()
            .map(|text| ChatCompletionRequestSystemMessage::from(text.as_str()).into());
        let turns = self.turns.iter().map(|turn| message(turn.role, &turn.text));
        CreateChatCompletionRequest {
            model: model.to_owned(),
            messages: system.chain(turns).collect(),
            max_completion_tokens: Some(
                self.reply_tokens_max
                    .unwrap_or(reply_tokens_max)
                    .min(reply_tokens_max),
            ),
            stream: Some(true),
            stream_options: Some(ChatCompletionStreamOptions {
                include_usage: Some(true),
                include_obfuscation: None,
            }),
            ..CreateChatCompletionRequest::default()
        }
    }
}

fn message(role: Role, text: &str) -> ChatCompletionRequestMessage {
    match role {
        Role::Person => ChatCompletionRequestUserMessage::from(text).into(),
        Role::Model => ChatCompletionRequestAssistantMessage::from(text).into(),
    }
}

/// A piece of an answer. A whole answer is any number of texts and then one `Finished`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// More text, never empty. A stranger's words: escape them wherever they are shown.
    Text(String),
    /// The model is through.
    Finished(Finished),
}

/// How an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Why the model stopped.
    pub reason: FinishReason,
    /// What it cost; absent where the provider does not say.
    pub usage: Option<Usage>,
    /// Which of our models was asked.
    pub model: String,
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It had said what it had to say.
    Stop,
    /// It reached the cap on its answer, so the text ends in the middle.
    Length,
    /// The provider's filter cut in.
    Filtered,
    /// Something that we did not ask for, such as a tool call.
    Other,
}

impl FinishReason {
    /// The reason behind a provider's word.
    pub(crate) fn read(word: &str) -> Self {
        match word {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "content_filter" => Self::Filtered,
            _ => Self::Other,
        }
    }

    /// As spans name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Filtered => "content_filter",
            Self::Other => "other",
        }
    }
}

/// Tokens of one call, as the provider counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens of the question.
    #[serde(rename = "prompt_tokens", deserialize_with = "count")]
    pub input_tokens: u64,
    /// Tokens of the answer.
    #[serde(rename = "completion_tokens", deserialize_with = "count")]
    pub output_tokens: u64,
}

/// A number of tokens; whatever is no such number counts as none rather than failing a good answer.
fn count<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_u64().unwrap_or_default())
}

/// One event of the stream, read for what we use.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chunk {
    pub(crate) choices: Vec<Choice>,
    pub(crate) usage: Option<Usage>,
    pub(crate) error: Option<Refusal>,
}

/// One of the answers; we ask for one, so only the first is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Choice {
    delta: Option<Piece>,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Piece {
    content: Option<String>,
    refusal: Option<String>,
    reasoning: Option<String>,
    reasoning_content: Option<String>,
}

impl Choice {
    /// What a person is to read: the answer, or the model's own words on why it gives none.
    pub(crate) fn text(&mut self) -> Option<String> {
        let piece = self.delta.as_mut()?;
        let said = |text: &mut Option<String>| text.take().filter(|text| !text.is_empty());
        said(&mut piece.content).or_else(|| said(&mut piece.refusal))
    }

    /// Whether the model shows that it is thinking, without anything to read yet.
    pub(crate) fn thinks(&self) -> bool {
        let some = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        self.delta
            .as_ref()
            .is_some_and(|piece| some(&piece.reasoning) || some(&piece.reasoning_content))
    }

    pub(crate) fn finish_reason(&self) -> Option<FinishReason> {
        self.finish_reason.as_deref().map(FinishReason::read)
    }
}

/// The body of an error, or an error in the midst of a stream. Its `message` is not read: it may quote the question
/// or parts of the key.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Refusal {
    pub(crate) r#type: Option<serde_json::Value>,
    pub(crate) code: Option<serde_json::Value>,
    pub(crate) param: Option<serde_json::Value>,
}

/// `{"error": {…}}`, as most servers wrap it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RefusalBody {
    pub(crate) error: Option<Refusal>,
}

impl Refusal {
    /// Reads the body of an error answer; a body in any other shape is no reason at all.
    pub(crate) fn read(body: &[u8]) -> Self {
        serde_json::from_slice::<RefusalBody>(body)
            .ok()
            .and_then(|body| body.error)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
