//! HTTP/2 on one connection: its handshake under a deadline, its requests side by side, its end by GOAWAY.
//!
//! It exists because Pingora's own loop gives the connection's preface no deadline and spawns its requests where nobody waits for
//! them. Frames, flow control and the size of header lists are the h2 library's, how many frames may come without carrying anything
//! [`super::frames`]'; what a request means is the edge's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pingora::apps::HttpServerApp;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{
    H2Accept, H2Options, HttpSession, default_h2_options, handshake,
};
use pingora::protocols::{Digest, Stream};
use tokio::time::{sleep, timeout};

use super::Doorway;
use super::frames::FrameMeter;
use super::gathered::Gathered;
use crate::events::Connected;
use crate::head::HeadLimits;

/// Malformed requests after which a connection is ended: a client that errs so often does not err.
const MALFORMED_MAX: usize = 32;

/// How long a client that floods us may take to read that it should not.
const FAREWELL_DEADLINE: Duration = Duration::from_secs(1);

/// What a connection may cost.
pub(crate) fn options(head: HeadLimits, streams_max: u32) -> H2Options {
    let mut options = default_h2_options();
    options.max_header_list_size(u32::try_from(head.bytes_max).unwrap_or(u32::MAX));
    options.max_concurrent_streams(streams_max);
    options
}

/// Serves requests until one side ends the connection.
pub(super) async fn serve(doorway: &Doorway, stream: Stream) {
    let digest = Arc::new(Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: stream.get_timing_digest(),
        proxy_digest: stream.get_proxy_digest(),
        socket_digest: stream.get_socket_digest(),
    });
    let options = doorway.proxy.h2_options.clone();
    let meter = FrameMeter::new(doorway.control_frames_per_second_max);
    let (gathered, flooded) =
        Gathered::of_frames(stream, doorway.writing(), meter, doorway.head_deadline);
    let stream: Stream = Box::new(gathered);
    // In a box, since its state would be kept for as long as the connection.
    let handshake = Box::pin(handshake(stream, options));
    let Ok(Ok(mut connection)) = timeout(doorway.handshake_deadline, handshake).await else {
        return;
    };
    let busy = Arc::new(AtomicUsize::new(0));
    let mut malformed = 0_usize;
    let mut is_leaving = false;
    while malformed < MALFORMED_MAX {
        let accepted = tokio::select! {
            biased;
            () = doorway.draining.cancelled(), if !is_leaving => {
                // Two frames: one that asks for no more requests, and, once all are answered, one that says which was the last.
                connection.graceful_shutdown();
                is_leaving = true;
                continue;
            }
            accepted = HttpSession::from_h2_conn(&mut connection, Arc::clone(&digest)) => accepted,
            () = flooded.cancelled() => {
                doorway.meters.connection(Connected::Flood);
                connection.abrupt_shutdown(h2::Reason::ENHANCE_YOUR_CALM);
                let farewell = HttpSession::from_h2_conn(&mut connection, digest);
                // It ends either way; a client that floods is not owed more.
                drop(timeout(FAREWELL_DEADLINE, farewell).await);
                return;
            }
            () = idle(doorway, &busy) => return,
        };
        match accepted {
            Ok(Some(H2Accept::Session(session))) => answer(doorway, session, &busy),
            Ok(Some(H2Accept::Rejected)) => malformed = malformed.saturating_add(1),
            Ok(None) | Err(_) => return,
        }
    }
}

/// Resolves when no request has been in flight for as long as an idle connection is kept. Started anew after every request.
async fn idle(doorway: &Doorway, busy: &AtomicUsize) {
    loop {
        sleep(doorway.idle).await;
        if busy.load(Ordering::Relaxed) == 0 {
            return;
        }
    }
}

fn answer(doorway: &Doorway, session: HttpSession, busy: &Arc<AtomicUsize>) {
    let proxy = Arc::clone(&doorway.proxy);
    let shutdown = doorway.shutdown.clone();
    let ended = doorway.ended.clone();
    let active = doorway.meters.states.active.hold();
    let busy = Busy::begin(busy);
    doorway.tracker.spawn(async move {
        let session = ServerSession::new_http2(session);
        tokio::select! {
            biased;
            () = ended.cancelled() => {}
            _nothing_to_reuse = proxy.process_new_http(session, &shutdown) => {}
        }
        drop((active, busy));
    });
}

/// Counts a request in flight for as long as it lives.
struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
