//! The kill point between a send's bytes and its reply. Other methods pass: repeating them is harmless.

use sallyport_telemetry::points::{Point, reach_during};

/// Runs the exchange of `method`; a new message may be held up with its bytes out and its reply unread.
pub(super) async fn in_a_send<F: Future>(method: &'static str, answering: F) -> F::Output {
    if method == "sendMessage" {
        reach_during(Point::K7, answering).await
    } else {
        answering.await
    }
}
