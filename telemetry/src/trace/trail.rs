//! A trail: the finished spans of one unit of work, gathered where the work runs.
//!
//! It follows the task (a task-local), so a span finds its parent without anybody passing it along. Work that is moved to another
//! task takes the trail with it by [`carry`]; nothing is gathered outside of one, which makes [`start`] free in code that runs
//! at the start of the process or in a test.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::Either;
use parking_lot::Mutex;

use super::{Span, SpanContext, SpanKind, SpanRecord};
use crate::metrics::dropped;

/// Spans that one trail gathers; what comes after them is counted as dropped. A handler that loops must not fill the memory.
pub const SPANS_MAX: usize = 1024;

tokio::task_local! {
    static CURRENT: Current;
}

/// Where a new span belongs: the trail that gathers it and the span that is its parent.
#[derive(Clone)]
pub(super) struct Current {
    pub(super) gathered: Arc<Gathered>,
    pub(super) context: SpanContext,
}

/// What the spans of a trail share.
pub(super) struct Gathered {
    /// Of a continued trail its parent, else the reserved context of the root span.
    top: SpanContext,
    /// True until the root span of a new trace has been started.
    root_is_free: AtomicBool,
    /// `None` once the trail is finished: what ends later has nobody left to tell.
    spans: Mutex<Option<Vec<SpanRecord>>>,
}

/// The finished spans of one unit of work: a request, or one attempt at a message.
pub struct Trail {
    gathered: Arc<Gathered>,
}

impl Trail {
    /// Begins a new trace that nobody has chosen to keep; errors and slowness may still decide so.
    pub fn root() -> Self {
        Self::rooted(SpanContext::new_root(false))
    }

    /// Begins a new trace whose root span has the given context (see [`KeepPolicy::new_root`](super::KeepPolicy::new_root)).
    ///
    /// The first span started directly under the trail is that root; further ones are its children, so a trace has one root.
    pub fn rooted(root: SpanContext) -> Self {
        Self::with(root, true)
    }

    /// Goes on with a trace that began elsewhere: spans started directly under the trail are children of `parent`.
    pub fn continuing(parent: SpanContext) -> Self {
        Self::with(parent, false)
    }

    fn with(top: SpanContext, root_is_free: bool) -> Self {
        let gathered = Gathered {
            top,
            root_is_free: AtomicBool::new(root_is_free),
            spans: Mutex::new(Some(Vec::with_capacity(8))),
        };
        Self {
            gathered: Arc::new(gathered),
        }
    }

    /// The root span's context, or the parent's when the trace began elsewhere.
    pub fn context(&self) -> SpanContext {
        self.gathered.top
    }

    /// Runs a future inside this trail: spans and log lines in it belong to its trace.
    ///
    /// Cancel safe: a span that is cut off is ended where it stood.
    pub async fn scope<F: Future>(&self, work: F) -> F::Output {
        CURRENT.scope(self.current(), work).await
    }

    /// Runs a function inside this trail. For callbacks that are not ours to make async.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.current(), work)
    }

    /// Starts a span directly under the trail, wherever the caller runs.
    pub fn start(&self, name: impl Into<Cow<'static, str>>, kind: SpanKind) -> Span {
        Span::open(&self.current(), name.into(), kind)
    }

    /// The spans that have ended, in the order in which they ended. Spans still open are lost and counted when they end.
    pub fn finish(self) -> Vec<SpanRecord> {
        self.gathered.spans.lock().take().unwrap_or_default()
    }

    fn current(&self) -> Current {
        Current {
            gathered: Arc::clone(&self.gathered),
            context: self.gathered.top,
        }
    }
}

impl Gathered {
    /// Takes the place of the root, when it is still free and asked for by a span directly under the trail.
    pub(super) fn claim_root(&self, parent: &SpanContext) -> bool {
        parent.span_id == self.top.span_id
            && self.root_is_free.load(Ordering::Relaxed)
            && self.root_is_free.swap(false, Ordering::Relaxed)
    }

    pub(super) fn add(&self, span: SpanRecord) {
        let refused = match self.spans.lock().as_mut() {
            None => Some("late"),
            Some(spans) if spans.len() >= SPANS_MAX => Some("trail_full"),
            Some(spans) => {
                spans.push(span);
                None
            }
        };
        if let Some(reason) = refused {
            dropped("spans", reason, 1);
        }
    }
}

impl Current {
    pub(super) async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    pub(super) fn within<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, work)
    }
}

/// The context of the span that runs now. Log lines and outgoing requests read it; none outside of a trail.
pub fn current() -> Option<SpanContext> {
    CURRENT.try_with(|current| current.context).ok()
}

/// Starts a span as a child of the one that runs now. Outside of a trail it is a span that does nothing.
pub fn start(name: impl Into<Cow<'static, str>>, kind: SpanKind) -> Span {
    CURRENT
        .try_with(|current| Span::open(current, name.into(), kind))
        .unwrap_or_else(|_| Span::nothing())
}

/// Wraps work that another task will run, so that its spans stay children of the span that runs now.
pub fn carry<F: Future>(work: F) -> impl Future<Output = F::Output> {
    match CURRENT.try_with(Current::clone) {
        Ok(current) => Either::Left(current.scope(work)),
        Err(_) => Either::Right(work),
    }
}
