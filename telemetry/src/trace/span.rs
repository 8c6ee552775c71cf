//! An open span: set what is known, then let it end.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::record::{EVENTS_MAX, LINKS_MAX, cut, put};
use super::trail::{Current, Gathered};
use super::{SpanContext, SpanEvent, SpanId, SpanKind, SpanRecord, SpanStatus, Value};

/// A piece of work that is being done. It ends when it is dropped.
///
/// Outside of a [`Trail`](super::Trail) it does nothing and costs nothing.
#[must_use = "a span that is dropped at once has measured nothing"]
pub struct Span(Option<Box<Open>>);

struct Open {
    gathered: Arc<Gathered>,
    context: SpanContext,
    record: SpanRecord,
    started: Instant,
    /// A future runs inside; if the span ends meanwhile, that future was dropped.
    running: bool,
}

impl Span {
    pub(super) fn nothing() -> Self {
        Self(None)
    }

    pub(super) fn open(under: &Current, name: Cow<'static, str>, kind: SpanKind) -> Self {
        let is_root = under.gathered.claim_root(&under.context);
        let context = if is_root {
            under.context
        } else {
            under.context.child()
        };
        let record = SpanRecord {
            trace_id: context.trace_id,
            span_id: context.span_id,
            parent: (!is_root).then_some(under.context.span_id),
            links: Vec::new(),
            name,
            kind,
            start: Timestamp::now(),
            duration: 0,
            status: SpanStatus::Unset,
            attributes: Vec::new(),
            events: Vec::new(),
        };
        let gathered = Arc::clone(&under.gathered);
        Self(Some(Box::new(Open {
            gathered,
            context,
            record,
            started: Instant::now(),
            running: false,
        })))
    }

    /// What travels with a request or a message that this span causes; none outside of a trail.
    pub fn context(&self) -> Option<SpanContext> {
        self.0.as_ref().map(|open| open.context)
    }

    /// Starts a child of this span, wherever the caller runs.
    pub fn child(&self, name: impl Into<Cow<'static, str>>, kind: SpanKind) -> Self {
        self.current().map_or_else(Self::nothing, |current| {
            Self::open(&current, name.into(), kind)
        })
    }

    /// Sets an attribute; a key set twice keeps its last value.
    pub fn set(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> &mut Self {
        if let Some(open) = &mut self.0 {
            put(&mut open.record.attributes, key.into(), value.into());
        }
        self
    }

    /// Gives the span another name, for the few cases in which the name is known late (a route, a model).
    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        if let Some(open) = &mut self.0 {
            open.record.name = name.into();
        }
    }

    /// Notes that something happened now.
    pub fn event<K: Into<Cow<'static, str>>>(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        attributes: impl IntoIterator<Item = (K, Value)>,
    ) {
        let Some(open) = &mut self.0 else { return };
        if open.record.events.len() < EVENTS_MAX {
            let mut event = SpanEvent {
                at: Timestamp::now(),
                name: name.into(),
                attributes: Vec::new(),
            };
            for (key, value) in attributes {
                put(&mut event.attributes, key.into(), value);
            }
            open.record.events.push(event);
        }
    }

    /// Points to a span that is related without being the cause: an earlier attempt, a message of a batch.
    pub fn link(&mut self, to: SpanContext) -> &mut Self {
        if let Some(open) = &mut self.0
            && open.record.links.len() < LINKS_MAX
        {
            open.record.links.push(to);
        }
        self
    }

    /// Marks the work as failed. `error_type` has few distinct values, `text` is for engineers and holds no secret.
    ///
    /// An error that was retried and then handled is not an error of the outer span.
    pub fn fail(&mut self, error_type: impl Into<Cow<'static, str>>, text: impl AsRef<str>) {
        if let Some(open) = &mut self.0 {
            put(
                &mut open.record.attributes,
                Cow::Borrowed("error.type"),
                Value::Str(error_type.into()),
            );
            open.record.status = SpanStatus::Error(cut(text.as_ref()).to_owned());
        }
    }

    /// Runs a future with this span as the current one, then ends it.
    ///
    /// If the future is dropped before its end, the span ends there and says so (`sallyport.cancelled`).
    pub async fn run<F: Future>(mut self, work: F) -> F::Output {
        self.within(work).await
    }

    /// Runs a future with this span as the current one and leaves the span open, so that its result can be noted.
    pub async fn within<F: Future>(&mut self, work: F) -> F::Output {
        let Some(current) = self.current() else {
            return work.await;
        };
        self.set_running(true);
        let output = current.scope(work).await;
        self.set_running(false);
        output
    }

    /// Runs a function with this span as the current one and leaves the span open.
    pub fn within_sync<T>(&self, work: impl FnOnce() -> T) -> T {
        match self.current() {
            Some(current) => current.within(work),
            None => work(),
        }
    }

    /// Ends the span now; the same as dropping it.
    pub fn end(self) {}

    /// The id of this span, when it is one.
    pub fn id(&self) -> Option<SpanId> {
        self.context().map(|context| context.span_id)
    }

    fn current(&self) -> Option<Current> {
        let open = self.0.as_ref()?;
        Some(Current {
            gathered: Arc::clone(&open.gathered),
            context: open.context,
        })
    }

    fn set_running(&mut self, running: bool) {
        if let Some(open) = &mut self.0 {
            open.running = running;
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        let Open {
            gathered,
            mut record,
            started,
            running,
            ..
        } = *open;
        record.duration = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if running {
            put(
                &mut record.attributes,
                Cow::Borrowed("sallyport.cancelled"),
                Value::Bool(true),
            );
        }
        gathered.add(record);
    }
}
