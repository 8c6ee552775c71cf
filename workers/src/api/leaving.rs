//! The end of a process whose doors stay open: another process accepts by now, so this one takes nothing new and ends its kept
//! connections with their next answer.
//!
//! It exists because closing a kept connection races with the request that is on its way on it. Whoever is told in an answer
//! (`Connection: close`) comes back on a new one, and that reaches the successor.

use std::future::pending;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::Listener;
use tokio_util::sync::CancellationToken;

/// A listener that stops accepting when the process begins to leave, and leaves what waits in the kernel's queue to the successor.
pub(super) struct UntilLeaving<L> {
    listener: L,
    leaving: CancellationToken,
}

impl<L> UntilLeaving<L> {
    pub(super) fn new(listener: L, leaving: CancellationToken) -> Self {
        Self { listener, leaving }
    }
}

impl<L: Listener> Listener for UntilLeaving<L> {
    type Io = L::Io;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self
            .leaving
            .run_until_cancelled(self.listener.accept())
            .await
        {
            Some(accepted) => accepted,
            None => pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// Says goodbye in every answer once the process leaves.
pub(super) async fn say_goodbye(
    State(leaving): State<CancellationToken>,
    request: Request,
    next: Next,
) -> Response {
    let mut answer = next.run(request).await;
    if leaving.is_cancelled() {
        answer
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}
