//! A finished span, as it is handed to sinks, travels inside a message, and lies in the flight recorder.
//!
//! Its limits are spec'd: 64 attributes, 128 links, 4 KiB per value. What is beyond them is cut here, so that nobody downstream
//! has to think about a handler that attaches a whole answer to a span.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{SpanContext, SpanId, TraceId};

/// Attributes that one span may carry.
pub const ATTRIBUTES_MAX: usize = 64;
/// Links that one span may carry.
pub const LINKS_MAX: usize = 128;
/// Events that one span may carry.
pub const EVENTS_MAX: usize = 64;
/// Bytes of one text value, of a name, of an error.
pub const VALUE_BYTES_MAX: usize = 4096;

/// Which side of a conversation a span tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanKind {
    /// Work inside the process.
    Internal,
    /// Somebody's request, answered here.
    Server,
    /// Our request to somebody else.
    Client,
    /// A message was put on the queue.
    Producer,
    /// A message was worked on.
    Consumer,
}

/// How a span ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanStatus {
    /// Nothing to complain about.
    #[default]
    Unset,
    /// It failed; the text is for engineers.
    Error(String),
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text of at most [`VALUE_BYTES_MAX`] bytes.
    Str(Cow<'static, str>),
}

/// Something that happened at one moment inside a span.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanEvent {
    /// When.
    #[serde(
        rename = "t",
        with = "jiff::fmt::serde::timestamp::nanosecond::required"
    )]
    pub at: Timestamp,
    /// What, in few and constant words.
    #[serde(rename = "n")]
    pub name: Cow<'static, str>,
    /// The particulars.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<(Cow<'static, str>, Value)>,
}

/// A finished span. Its serialised form has one-letter keys, because it travels in every message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanRecord {
    /// The story.
    #[serde(rename = "t")]
    pub trace_id: TraceId,
    /// This piece of it.
    #[serde(rename = "s")]
    pub span_id: SpanId,
    /// The span that caused it; none for the root.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SpanId>,
    /// Spans that are related without being the cause.
    #[serde(rename = "l", default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<SpanContext>,
    /// What was done, in few distinct values: `process telegram.update`, never an id.
    #[serde(rename = "n")]
    pub name: Cow<'static, str>,
    /// The side of the conversation.
    #[serde(rename = "k")]
    pub kind: SpanKind,
    /// When it began.
    #[serde(
        rename = "b",
        with = "jiff::fmt::serde::timestamp::nanosecond::required"
    )]
    pub start: Timestamp,
    /// How long it took, in nanoseconds of the monotonic clock.
    #[serde(rename = "d")]
    pub duration: u64,
    /// How it ended.
    #[serde(rename = "e", default, skip_serializing_if = "is_unset")]
    pub status: SpanStatus,
    /// The particulars.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<(Cow<'static, str>, Value)>,
    /// What happened on the way.
    #[serde(rename = "v", default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<SpanEvent>,
}

impl SpanRecord {
    /// The part of this span that travels.
    pub fn context(&self, sampled: bool) -> SpanContext {
        SpanContext {
            trace_id: self.trace_id,
            span_id: self.span_id,
            sampled,
        }
    }

    /// The text of its error, when it failed.
    pub fn error(&self) -> Option<&str> {
        match &self.status {
            SpanStatus::Error(text) => Some(text),
            SpanStatus::Unset => None,
        }
    }

    /// The value of an attribute.
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes
            .iter()
            .find_map(|(name, value)| (name == key).then_some(value))
    }

    /// Sets an attribute; a key set twice keeps its last value, one beyond [`ATTRIBUTES_MAX`] is left out.
    pub fn set(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        put(&mut self.attributes, key.into(), value.into());
    }
}

/// Puts an attribute into a list under the limits of a span.
pub(super) fn put(
    attributes: &mut Vec<(Cow<'static, str>, Value)>,
    key: Cow<'static, str>,
    value: Value,
) {
    let value = value.bounded();
    if let Some((_, old)) = attributes.iter_mut().find(|(name, _)| *name == key) {
        *old = value;
    } else if attributes.len() < ATTRIBUTES_MAX {
        attributes.push((key, value));
    }
}

fn is_unset(status: &SpanStatus) -> bool {
    *status == SpanStatus::Unset
}

impl Value {
    /// The text, when it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            Self::Bool(_) | Self::Int(_) | Self::Float(_) => None,
        }
    }

    fn bounded(self) -> Self {
        match self {
            Self::Str(text) if text.len() > VALUE_BYTES_MAX => {
                Self::Str(Cow::Owned(cut(&text).to_owned()))
            }
            // JSON has neither infinity nor "not a number", and a record must survive its own serialised form.
            Self::Float(number) if !number.is_finite() => Self::Str(Cow::Owned(number.to_string())),
            other => other,
        }
    }
}

/// The longest beginning of a text that fits into [`VALUE_BYTES_MAX`] and ends between two characters.
pub(super) fn cut(text: &str) -> &str {
    crate::cut(text, VALUE_BYTES_MAX)
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Str(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(Cow::Owned(text))
    }
}

impl From<Cow<'static, str>> for Value {
    fn from(text: Cow<'static, str>) -> Self {
        Self::Str(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

macro_rules! whole_numbers {
    ($($from:ty),*) => {$(
        impl From<$from> for Value {
            fn from(number: $from) -> Self {
                Self::Int(i64::from(number))
            }
        }
    )*};
}
whole_numbers!(i64, i32, i16, i8, u32, u16, u8);

macro_rules! large_numbers {
    ($($from:ty),*) => {$(
        impl From<$from> for Value {
            /// A number that an `i64` cannot hold becomes the largest that it can.
            fn from(number: $from) -> Self {
                Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
            }
        }
    )*};
}
large_numbers!(u64, usize);
