//! HTTP/1 on one connection: read a head under our own limits, hand it to Pingora, and again.
//!
//! It exists because Pingora bounds one read of a head and not the whole, and parses more than a front door should. Here the
//! head is complete and judged before Pingora sees its first byte. Requests that a client sends without waiting
//! for answers are not supported: the answer ends the connection, as HTTP allows.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use bytes::BytesMut;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use pingora::apps::HttpServerApp;
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use sallyport_telemetry::trace::SpanContext;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::Doorway;
use super::gathered::{Following, Gathered};
use crate::answer::Answer;
use crate::chunks::Chunks;
use crate::events::Connected;
use crate::exchange::{Caller, Exchange};
use crate::head::{self, EndFinder};
use crate::refusal::Refusal;

/// Room for most heads with a small body behind them.
const BUFFER_BYTES: usize = 4 * 1024;
/// How long a client may take to read a refusal.
const FAREWELL_DEADLINE: Duration = Duration::from_secs(1);

/// What came of waiting for a head.
enum Arrival {
    /// It is complete and sound; what was read beyond it follows it. Its body comes in chunks, as far as they are there.
    Head(BytesMut, Option<Chunks>),
    /// The client left, or had nothing to say.
    Nothing,
    /// It is refused.
    Refused(Refusal),
}

/// Serves requests until one side ends the connection.
pub(super) async fn serve(doorway: &Doorway, stream: Stream) {
    let following = Following::default();
    let mut stream: Stream = Box::new(Gathered::new(stream, doorway.writing(), following.clone()));
    let mut is_first = true;
    loop {
        // What comes first is a head again.
        following.begin(None);
        let (head, chunks) = match arrival(doorway, &mut stream, is_first).await {
            Arrival::Head(head, chunks) => (head, chunks),
            Arrival::Nothing => {
                // It ends either way; a goodbye that fails was not wanted.
                stream.shutdown().await.ok();
                return;
            }
            // In a box, or every connection would keep room for the way that few of them end.
            Arrival::Refused(refusal) => return Box::pin(refuse(doorway, stream, refusal)).await,
        };
        is_first = false;
        following.begin(chunks);
        let _active = doorway.meters.states.active.hold();
        let mut session = ServerSession::new_http1(stream);
        session.set_pipelined_prefix(head);
        let Some(reused) = doorway
            .proxy
            .process_new_http(session, &doorway.shutdown)
            .await
        else {
            return;
        };
        (stream, _) = reused.consume();
    }
}

async fn arrival(doorway: &Doorway, stream: &mut Stream, is_first: bool) -> Arrival {
    let started = Instant::now();
    let Some(mut bytes) = first_bytes(doorway, stream, is_first).await else {
        let waited_for_its_first = is_first && started.elapsed() >= doorway.head_deadline;
        return if waited_for_its_first && !doorway.draining.is_cancelled() {
            Arrival::Refused(Refusal::HeadTooSlow(doorway.head_deadline))
        } else {
            Arrival::Nothing
        };
    };
    let _reading = doorway.meters.states.head.hold();
    // A new connection has been given its time already; on an old one it starts with the first byte.
    let from = if is_first { started } else { Instant::now() };
    match timeout_at(
        from + doorway.head_deadline,
        rest_of_head(doorway, stream, &mut bytes),
    )
    .await
    {
        Err(_elapsed) => Arrival::Refused(Refusal::HeadTooSlow(doorway.head_deadline)),
        Ok(Err(refusal)) => Arrival::Refused(refusal),
        Ok(Ok(Rest::Nothing)) => Arrival::Nothing,
        Ok(Ok(Rest::Head(chunks))) => Arrival::Head(bytes, chunks),
    }
}

/// Waits for the first bytes of a request; none when there will be none.
async fn first_bytes(doorway: &Doorway, stream: &mut Stream, is_first: bool) -> Option<BytesMut> {
    let _idle = doorway.meters.states.idle.hold();
    let patience = if is_first {
        doorway.head_deadline
    } else {
        doorway.idle
    };
    let drained = async {
        doorway.draining.cancelled().await;
        tokio::time::sleep(doorway.linger.lasts()).await;
    };
    tokio::select! {
        biased;
        read = timeout(patience, some_bytes(stream)) => read.ok()?.ok().filter(|bytes| !bytes.is_empty()),
        () = drained => None,
    }
}

/// Reads what is there, or waits until there is something. While it waits it holds no buffer: most connections wait most of the time.
///
/// # Cancel safety
/// Dropped, it has read nothing.
async fn some_bytes(stream: &mut Stream) -> std::io::Result<BytesMut> {
    poll_fn(|context| {
        let mut bytes = BytesMut::with_capacity(BUFFER_BYTES);
        let read = pin!(stream.read_buf(&mut bytes)).poll(context);
        read.map_ok(|_count| bytes)
    })
    .await
}

/// What came of reading on.
enum Rest {
    /// The head is complete, and so are some of its chunks, if its body has any.
    Head(Option<Chunks>),
    /// The client left in the middle.
    Nothing,
}

/// Reads until the head is complete, and judges it and what came with it.
async fn rest_of_head(
    doorway: &Doorway,
    stream: &mut Stream,
    bytes: &mut BytesMut,
) -> Result<Rest, Refusal> {
    let mut finder = EndFinder::default();
    loop {
        if let Some(end) = finder.find(bytes, doorway.head)? {
            let (head, body) = bytes.split_at_checked(end).unwrap_or_default();
            let is_chunked = head::judge(head, doorway.head)?;
            let mut chunks = is_chunked.then(Chunks::new);
            if let Some(chunks) = &mut chunks {
                chunks.follow(body)?;
            }
            return Ok(Rest::Head(chunks));
        }
        match stream.read_buf(bytes).await {
            Ok(count) if count > 0 => {}
            Ok(_) | Err(_) => return Ok(Rest::Nothing),
        }
    }
}

/// Tells a client why its head is refused, and ends the connection.
async fn refuse(doorway: &Doorway, mut stream: Stream, refusal: Refusal) {
    match refusal {
        Refusal::HeadTooSlow(_) => doorway.meters.connection(Connected::HeadTimeout),
        Refusal::HeadTooLarge(_) | Refusal::TooManyFields(_) => {
            doorway.meters.connection(Connected::HeadTooLarge)
        }
        _ => {}
    }
    let mut exchange = Exchange::begin(SpanContext::new_root(false), Caller::Unknown);
    exchange.address = peer_of(&stream);
    exchange.scheme = if stream.get_ssl_digest().is_some() {
        "https"
    } else {
        "http"
    };
    let answer = Answer::refusal(&refusal, exchange.span.trace_id);
    exchange.status = Some(answer.status());
    exchange.refusal = Some(refusal);
    let bytes = answer.to_http1(exchange.span.trace_id, &date(Timestamp::now()));
    // Counted whether or not the client still listens.
    doorway.meters.finished(&exchange);
    let farewell = async {
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        stream.shutdown().await?;
        // Taking what is still on its way keeps the kernel from resetting the connection over the answer.
        let mut rest = [0_u8; 1024];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // A client that does not listen loses the answer, and nobody else loses anything.
    drop(timeout(FAREWELL_DEADLINE, farewell).await);
}

fn peer_of(stream: &Stream) -> Option<std::net::IpAddr> {
    let digest = stream.get_socket_digest()?;
    Some(digest.peer_addr()?.as_inet()?.ip())
}

/// The time in HTTP's form.
fn date(now: Timestamp) -> String {
    DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&now)
        .unwrap_or_default()
}
