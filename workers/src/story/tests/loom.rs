//! Hand-made rows and spans of one trace, in milliseconds from its beginning.

use jiff::Timestamp;
use sallyport_queue::{AttemptStory, Key, MessageId, MessageStory, Outcome, Priority, State};
use sallyport_telemetry::trace::{
    SpanContext, SpanId, SpanKind, SpanRecord, SpanStatus, TraceId, Value,
};

use super::{Story, ms};

/// Collects what is known of a trace, then weaves it.
pub(super) struct Loom {
    trace: TraceId,
    zero: Timestamp,
    messages: Vec<MessageStory>,
    spans: Vec<SpanRecord>,
}

/// The message or attempt that was added last, for particulars.
pub(super) struct Added<'a>(&'a mut MessageStory, Timestamp);

impl Loom {
    pub(super) fn new() -> Self {
        let zero = "2026-11-20T21:00:00Z".parse().unwrap();
        Self {
            trace: TraceId::random(),
            zero,
            messages: Vec::new(),
            spans: Vec::new(),
        }
    }

    pub(super) fn at(&self, at_ms: i64) -> Timestamp {
        self.zero + ms(at_ms)
    }

    pub(super) fn span(
        &mut self,
        name: &'static str,
        kind: SpanKind,
        parent: Option<SpanId>,
        start_ms: i64,
        took_ms: u64,
    ) -> SpanId {
        let span_id = SpanId::random();
        self.spans.push(SpanRecord {
            trace_id: self.trace,
            span_id,
            parent,
            links: Vec::new(),
            name: name.into(),
            kind,
            start: self.at(start_ms),
            duration: took_ms * 1_000_000,
            status: SpanStatus::Unset,
            attributes: Vec::new(),
            events: Vec::new(),
        });
        span_id
    }

    /// A span that nobody kept.
    pub(super) fn lost_span(&self) -> SpanId {
        SpanId::random()
    }

    pub(super) fn attempt_span(
        &mut self,
        message: i64,
        kind: &str,
        parent: SpanId,
        attempt: u16,
        start_ms: i64,
        took_ms: u64,
    ) -> SpanId {
        let id = self.span(
            "process",
            SpanKind::Consumer,
            Some(parent),
            start_ms,
            took_ms,
        );
        if let Some(span) = self.spans.last_mut() {
            span.name = format!("process {kind}").into();
        }
        self.of_message(id, message);
        self.set(id, "sallyport.attempt", attempt);
        id
    }

    pub(super) fn of_message(&mut self, span: SpanId, message: i64) {
        self.set(span, "messaging.message.id", message.to_string());
    }

    pub(super) fn set(&mut self, span: SpanId, key: &'static str, value: impl Into<Value>) {
        let span = self
            .spans
            .iter_mut()
            .find(|other| other.span_id == span)
            .unwrap();
        span.set(key, value);
    }

    pub(super) fn message(
        &mut self,
        id: i64,
        kind: &str,
        producer: SpanId,
        accepted_ms: i64,
    ) -> Added<'_> {
        let key = Key::new("in:telegram:ops:1");
        self.messages.push(MessageStory {
            id: MessageId(id),
            kind: kind.to_owned(),
            bot: "ops".to_owned(),
            tenant: "house".to_owned(),
            source: "telegram:ops".to_owned(),
            delivery_id: Some(id.to_string()),
            partition: key.partition(),
            key,
            priority: Priority::Interactive,
            cause: None,
            replay_of: None,
            replayed_as: None,
            subject: Some("telegram:7".to_owned()),
            trace: SpanContext {
                trace_id: self.trace,
                span_id: producer,
                sampled: true,
            },
            payload_bytes: 10,
            accepted_at: self.at(accepted_ms),
            expires_at: None,
            state: State::Ready,
            ready_at: None,
            ended_at: None,
            attempts: Vec::new(),
            ambiguous: Vec::new(),
        });
        let zero = self.zero;
        Added(self.last_message(), zero)
    }

    /// An attempt at the message added last.
    pub(super) fn attempt(
        &mut self,
        number: u16,
        outcome: &str,
        start_ms: i64,
        end_ms: Option<i64>,
    ) -> Added<'_> {
        let attempt = AttemptStory {
            attempt: number,
            outcome: outcome.to_owned(),
            error_kind: None,
            error_text: None,
            started_at: self.at(start_ms),
            ended_at: end_ms.map(|end_ms| self.at(end_ms)),
            worker: "w3".to_owned(),
        };
        self.last_message().attempts.push(attempt);
        let zero = self.zero;
        Added(self.last_message(), zero)
    }

    pub(super) fn last_message(&mut self) -> &mut MessageStory {
        self.messages.last_mut().unwrap()
    }

    pub(super) fn without_spans(mut self) -> Self {
        self.spans.clear();
        self
    }

    pub(super) fn weave(self) -> Story {
        self.weave_at(1_000_000)
    }

    pub(super) fn weave_at(self, now_ms: i64) -> Story {
        let now = self.at(now_ms);
        super::weave::weave(self.trace, &self.messages, self.spans, now).unwrap()
    }
}

impl Added<'_> {
    pub(super) fn ended(self, outcome: Outcome, ended_ms: i64) -> Self {
        self.0.state = State::Ended(outcome);
        self.0.ended_at = Some(self.1 + ms(ended_ms));
        self
    }

    pub(super) fn stands(self, state: State) -> Self {
        self.0.state = state;
        self
    }

    pub(super) fn caused_by(self, cause: i64) -> Self {
        self.0.cause = Some(MessageId(cause));
        self
    }

    /// It was put back on the queue after this one's death.
    pub(super) fn replays(self, dead: i64) -> Self {
        self.0.replay_of = Some(MessageId(dead));
        self.caused_by(dead)
    }

    pub(super) fn failed(self, kind: &str, text: &str) -> Self {
        let attempt = self.0.attempts.last_mut().unwrap();
        attempt.error_kind = Some(kind.to_owned());
        attempt.error_text = Some(text.to_owned());
        self
    }
}
