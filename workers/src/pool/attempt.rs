//! One attempt at one message: run its handler inside a trail, with a deadline, and survive its panic.
//!
//! It settles nothing. Whatever happens, exactly one [`Finished`] comes out, so that the driver's books stay right.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use sallyport_queue::{Claimed, ErrorNote, Verdict};
use sallyport_telemetry::trace::{Span, SpanContext, SpanKind, SpanRecord, Trail};

use super::kinds::Kind;
use super::run::RunCell;
use super::verdict::{error_of, word};
use super::{Handled, Run};

/// How long a handler whose message was cancelled may take to end by itself: enough to put something away, too short to be
/// waited for.
const GRACE: Duration = Duration::from_secs(2);

/// An attempt that is over, ready to be settled.
pub(super) struct Finished {
    pub(super) message: Arc<Claimed>,
    pub(super) kind: Arc<Kind>,
    pub(super) attempt: u16,
    pub(super) started_at: Timestamp,
    pub(super) took: Duration,
    pub(super) ending: Ending,
    pub(super) spans: Vec<SpanRecord>,
    /// The `process` span, under which the settlement is told. Its particulars are added when it is kept: of most it is not.
    pub(super) process: Option<SpanContext>,
    /// What the handler came to, in the word of its span.
    pub(super) came_to: &'static str,
    /// The attempt itself; `None` when the message was ended without one.
    pub(super) cell: Option<Arc<RunCell>>,
}

impl Finished {
    /// The end of a message that is not even started.
    pub(super) fn unstarted(message: Arc<Claimed>, kind: Arc<Kind>, handled: Handled) -> Self {
        Self {
            attempt: message.attempts.saturating_add(1),
            message,
            kind,
            started_at: Timestamp::now(),
            took: Duration::ZERO,
            came_to: word(&handled.verdict),
            ending: Ending::Handled(handled),
            spans: Vec::new(),
            process: None,
            cell: None,
        }
    }

    /// The end of an attempt that will not come back by itself.
    pub(super) fn given_up(cell: &Arc<RunCell>, error: ErrorNote) -> Self {
        Self {
            attempt: cell.attempt,
            message: Arc::clone(&cell.message),
            kind: Arc::clone(&cell.kind),
            started_at: cell.started_at,
            took: cell.started.elapsed(),
            ending: Ending::Handled(Handled::from(Verdict::Dead { error })),
            spans: Vec::new(),
            process: None,
            came_to: "dead",
            cell: Some(Arc::clone(cell)),
        }
    }
}

/// How an attempt ended.
pub(super) enum Ending {
    /// The handler came to something, or its failure was made into something.
    Handled(Handled),
    /// It was cut off because the worker gives the partition away or stops: that does not count.
    CutOff,
}

/// Runs one attempt to its end. Cancel safe through its cancellation only: dropping it loses the message until a takeover.
pub(super) async fn attempt(cell: Arc<RunCell>) -> Finished {
    #[cfg(feature = "fail-points")]
    sallyport_telemetry::points::reach(sallyport_telemetry::points::Point::K5).await;
    let (message, kind) = (Arc::clone(&cell.message), Arc::clone(&cell.kind));
    let trail = Trail::continuing(message.trace);
    let mut span = trail.start(kind.process_name.clone(), SpanKind::Consumer);
    let process = span.context();
    let ending = span.within(contain(&cell)).await;
    let came_to = close_span(span, &ending);
    Finished {
        message,
        kind,
        attempt: cell.attempt,
        started_at: cell.started_at,
        took: cell.started.elapsed(),
        ending,
        spans: trail.finish(),
        process,
        came_to,
        cell: Some(cell),
    }
}

/// Ends the `process` span; answers the word for what the handler came to.
fn close_span(mut span: Span, ending: &Ending) -> &'static str {
    match ending {
        Ending::Handled(handled) => {
            if let Some(error) = error_of(&handled.verdict) {
                span.fail(error.kind.clone(), &error.text);
            }
            word(&handled.verdict)
        }
        Ending::CutOff => "cut_off",
    }
}

/// What is not handed to its handler at all: a message that is too late, or one whose attempts were all used up by
/// crashes (it may be the cause of them). Attempts that older workers spent on a message they could not read leave one.
pub(super) fn refusal(message: &Claimed, kind: &Kind) -> Option<Handled> {
    let policy = kind.policy();
    if message.interrupted && message.attempts >= policy.attempts_max {
        let error = ErrorNote::new("interrupted", "Every attempt was cut off before it ended");
        return Some(Handled::from(Verdict::Dead { error }));
    }
    let too_old = policy.late_after.is_some_and(|limit| {
        let age = message.now().duration_since(message.accepted_at);
        message.attempts == 0 && Duration::try_from(age).unwrap_or_default() > limit
    });
    let expired = message
        .expires_at
        .is_some_and(|expires| expires <= message.now());
    if too_old || expired {
        let mut handled = Handled::from(Verdict::Expired);
        handled.outgoing = kind.handler.expired(message);
        return Some(handled);
    }
    None
}

/// Runs the handler within its bounds: the deadline, the cancellation, and the wall around its panics.
async fn contain(cell: &Arc<RunCell>) -> Ending {
    let run = Run::of(cell);
    let cancelled = run.cancelled.clone();
    let work = AssertUnwindSafe(cell.kind.handler.handle(Arc::clone(&cell.message), run));
    let mut work = pin!(tokio::time::timeout_at(
        cell.deadline.into(),
        work.catch_unwind()
    ));
    tokio::select! {
        biased;
        outcome = &mut work => return Ending::Handled(came_to(outcome, &cell.kind)),
        () = cancelled.cancelled() => {}
    }
    let Some(order) = cell.order() else {
        return Ending::CutOff;
    };
    // Whoever was done before it heard of the order has done it; everything else is not tried again.
    match tokio::time::timeout(GRACE, &mut work).await {
        Ok(Ok(Ok(handled))) if is_success(&handled.verdict) => Ending::Handled(handled),
        Ok(_) | Err(_) => Ending::Handled(Handled::from(Verdict::Cancelled {
            reason: order.to_owned(),
        })),
    }
}

fn is_success(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Done | Verdict::Ignored)
}

fn came_to(
    outcome: Result<Result<Handled, Box<dyn Any + Send>>, tokio::time::error::Elapsed>,
    kind: &Kind,
) -> Handled {
    match outcome {
        Ok(Ok(handled)) => handled,
        Ok(Err(panic)) => Handled::retry(panic_note(panic.as_ref())),
        Err(_elapsed) => Handled::retry(ErrorNote::new(
            "deadline",
            format!(
                "The handler did not end within {} ms",
                kind.policy().deadline.as_millis()
            ),
        )),
    }
}

/// A caught panic as an error. The hook has logged it with its place; here only its text is kept.
pub(super) fn panic_note(panic: &(dyn Any + Send)) -> ErrorNote {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    ErrorNote::new(
        "panic",
        format!("The handler panicked: {}", text.unwrap_or("without a text")),
    )
}
