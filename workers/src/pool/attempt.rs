//! One attempt at one message: run its handler inside a trail, with a deadline, and survive its panic.
//!
//! It settles nothing. Whatever happens, exactly one [`Finished`] comes out, so that the driver's books stay right.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use jiff::Timestamp;
use sallyport_queue::{Claimed, ErrorNote, Verdict};
use sallyport_telemetry::trace::{Span, SpanContext, SpanKind, SpanRecord, Trail};
use tokio_util::sync::CancellationToken;

use super::kinds::Kind;
use super::verdict::{error_of, word};
use super::{Handled, Run};

/// An attempt that is over, ready to be settled.
pub(super) struct Finished {
    pub(super) message: Arc<Claimed>,
    pub(super) kind: Arc<Kind>,
    pub(super) attempt: u16,
    pub(super) started_at: Timestamp,
    pub(super) took: Duration,
    pub(super) ending: Ending,
    pub(super) spans: Vec<SpanRecord>,
    /// The `process` span, under which the settlement is told.
    pub(super) process: Option<SpanContext>,
}

/// How an attempt ended.
pub(super) enum Ending {
    /// The handler came to something, or its failure was made into something.
    Handled(Handled),
    /// It was cut off because the worker gives the partition away or stops: that does not count.
    CutOff,
}

/// Runs one attempt to its end. Cancel safe through `cancelled` only: dropping it loses the message until a takeover.
pub(super) async fn attempt(
    message: Arc<Claimed>,
    kind: Arc<Kind>,
    cancelled: CancellationToken,
) -> Finished {
    #[cfg(feature = "fail-points")]
    sallyport_telemetry::points::reach(sallyport_telemetry::points::Point::K5).await;
    let started = Instant::now();
    let started_at = Timestamp::now();
    let attempt = message.attempts.saturating_add(1);
    let trail = Trail::continuing(message.trace);
    let mut span = open_span(&trail, &message, &kind, attempt);
    let process = span.context();
    let run = Run {
        attempt,
        attempts_max: kind.policy().attempts_max,
        deadline: started + kind.policy().deadline,
        cancelled,
    };
    let ending = span.within(contain(&message, &kind, run, started_at)).await;
    close_span(span, &ending);
    Finished {
        message,
        kind,
        attempt,
        started_at,
        took: started.elapsed(),
        ending,
        spans: trail.finish(),
        process,
    }
}

fn open_span(trail: &Trail, message: &Claimed, kind: &Kind, attempt: u16) -> Span {
    let mut span = trail.start(kind.process_name.clone(), SpanKind::Consumer);
    span.set("messaging.system", "sallyport")
        .set("messaging.operation.name", "process")
        .set("messaging.destination.name", message.kind.clone())
        .set("messaging.message.id", message.id.0.to_string())
        .set("sallyport.attempt", attempt)
        .set("sallyport.wait_seconds", message.waited.as_secs_f64())
        .set("sallyport.lease.token", message.token.0);
    span
}

fn close_span(mut span: Span, ending: &Ending) {
    match ending {
        Ending::Handled(handled) => {
            span.set("sallyport.outcome", word(&handled.verdict));
            if let Some(error) = error_of(&handled.verdict) {
                span.fail(error.kind.clone(), &error.text);
            }
        }
        Ending::CutOff => {
            span.set("sallyport.outcome", "cut_off");
        }
    }
}

/// What is not handed to its handler at all: a message that is too late, or one whose attempts were all used up by
/// crashes (it may be the cause of them).
fn refusal(message: &Claimed, kind: &Kind, attempt: u16, now: Timestamp) -> Option<Handled> {
    let policy = kind.policy();
    if attempt > policy.attempts_max {
        let error = ErrorNote::new("interrupted", "Every attempt was cut off before it ended");
        return Some(Handled::from(Verdict::Dead { error }));
    }
    let too_old = policy.late_after.is_some_and(|limit| {
        message.attempts == 0 && message.accepted_at.duration_until(now).unsigned_abs() > limit
    });
    let expired = message.expires_at.is_some_and(|expires| expires <= now);
    if too_old || expired {
        let mut handled = Handled::from(Verdict::Expired);
        handled.outgoing = kind.handler.expired(message);
        return Some(handled);
    }
    None
}

/// Runs the handler within its bounds: the deadline, the cancellation, and the wall around its panics.
async fn contain(message: &Arc<Claimed>, kind: &Kind, run: Run, now: Timestamp) -> Ending {
    let (deadline, cancelled) = (run.deadline, run.cancelled.clone());
    let work = async {
        match refusal(message, kind, run.attempt, now) {
            Some(handled) => handled,
            None => kind.handler.handle(Arc::clone(message), run).await,
        }
    };
    tokio::select! {
        biased;
        outcome = tokio::time::timeout_at(deadline.into(), AssertUnwindSafe(work).catch_unwind()) => {
            Ending::Handled(match outcome {
                Ok(Ok(handled)) => handled,
                Ok(Err(panic)) => Handled::retry(panic_note(panic.as_ref())),
                Err(_elapsed) => Handled::retry(ErrorNote::new(
                    "deadline",
                    format!("The handler did not end within {} ms", kind.policy().deadline.as_millis()),
                )),
            })
        }
        () = cancelled.cancelled() => Ending::CutOff,
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
