//! The context of a span: the part of it that travels, in an HTTP header or inside a message.

use super::{ParseIdError, SpanId, TraceId};

const SAMPLED: u8 = 0x01;
const BYTES: usize = 25;

/// Which span caused what comes next, and whether its trace is to be kept whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct SpanContext {
    /// The story.
    pub trace_id: TraceId,
    /// The span inside it.
    pub span_id: SpanId,
    /// Chosen for keeping when the trace began. Everybody downstream agrees, so that a kept trace is a whole one.
    pub sampled: bool,
}

/// Why a text or a row holds no span context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseContextError {
    /// Not of the form `00-<trace id>-<span id>-<flags>`.
    #[error("a traceparent has the form 00-<32 digits>-<16 digits>-<2 digits>")]
    Shape,
    /// One of the two ids is none.
    #[error("a traceparent needs a trace id and a span id")]
    Id(#[source] ParseIdError),
    /// Stored bytes of another length than [`SpanContext::to_bytes`] gives.
    #[error("a stored span context has {BYTES} bytes, got {0}")]
    Length(usize),
}

impl SpanContext {
    /// The context of the first span of a new trace.
    pub fn new_root(sampled: bool) -> Self {
        Self {
            trace_id: TraceId::random(),
            span_id: SpanId::random(),
            sampled,
        }
    }

    /// A fresh span of the same trace.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span_id: SpanId::random(),
            ..*self
        }
    }

    /// The value of the W3C `traceparent` header.
    pub fn traceparent(&self) -> String {
        let Self {
            trace_id,
            span_id,
            sampled,
        } = self;
        let flags = if *sampled { "01" } else { "00" };
        format!("00-{trace_id}-{span_id}-{flags}")
    }

    /// Reads a W3C `traceparent` header; later versions are read as far as this one knows them.
    ///
    /// Whether its sender may be believed is the caller's decision: the edge listens to trusted peers only.
    pub fn parse(header: &str) -> Result<Self, ParseContextError> {
        let mut parts = header.trim().split('-');
        let (Some(version), Some(trace), Some(span), Some(flags)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ParseContextError::Shape);
        };
        let version = byte(version).ok_or(ParseContextError::Shape)?;
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return Err(ParseContextError::Shape);
        }
        let flags = byte(flags).ok_or(ParseContextError::Shape)?;
        Ok(Self {
            trace_id: trace.parse().map_err(ParseContextError::Id)?,
            span_id: span.parse().map_err(ParseContextError::Id)?,
            sampled: flags & SAMPLED == SAMPLED,
        })
    }

    /// The form in which a message's row keeps it: trace id, span id, one byte of flags.
    pub fn to_bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        let flags = [if self.sampled { SAMPLED } else { 0 }];
        let parts = self
            .trace_id
            .as_bytes()
            .iter()
            .chain(self.span_id.as_bytes())
            .chain(&flags);
        for (to, from) in bytes.iter_mut().zip(parts) {
            *to = *from;
        }
        bytes
    }

    /// The opposite of [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseContextError> {
        let wrong = || ParseContextError::Length(bytes.len());
        let (trace, rest) = bytes.split_first_chunk::<16>().ok_or_else(wrong)?;
        let (span, rest) = rest.split_first_chunk::<8>().ok_or_else(wrong)?;
        let [flags] = rest else { return Err(wrong()) };
        Ok(Self {
            trace_id: TraceId::from_bytes(*trace),
            span_id: SpanId::from_bytes(*span),
            sampled: flags & SAMPLED == SAMPLED,
        })
    }
}

/// Exactly two hexadecimal digits; `from_str_radix` alone would also take a sign.
fn byte(digits: &str) -> Option<u8> {
    let two = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if two {
        u8::from_str_radix(digits, 16).ok()
    } else {
        None
    }
}
