//! Reading a request's body: whole, bounded in size and in time.
//!
//! It exists because Pingora bounds one read and not the whole: a byte every minute would hold a connection for ever. It also sees
//! to it that what is refused before its body was read still gets to read why: bytes that nobody took would make the
//! kernel reset the connection over the answer.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header;
use pingora::proxy::Session;
use tokio::time::{Instant, timeout, timeout_at};

use crate::chunks::{MalformedChunks, NOT_CHUNKS};
use crate::refusal::Refusal;
use crate::settings::ConnectionSettings;

/// How much of an unwanted body is taken before the connection is closed over the rest: twice the largest body that a route takes by
/// default, so that whoever sends somewhat too much reads why.
const LEFTOVER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How long an unwanted body is waited for.
const LEFTOVER_DEADLINE: Duration = Duration::from_millis(500);
/// An unwanted body up to this size is taken before the answer, so that the connection can go on.
const SMALL_BYTES_MAX: usize = 64 * 1024;
/// How long such a body may still take: most of it has come with the head.
const SMALL_DEADLINE: Duration = Duration::from_millis(50);

/// How slowly a body may come: a start, and from then on so many bytes a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    grace: Duration,
    bytes_per_second_min: u32,
}

impl Pace {
    pub(crate) fn new(settings: &ConnectionSettings) -> Self {
        Self {
            grace: Duration::from_millis(settings.body_grace_ms),
            bytes_per_second_min: settings.body_bytes_per_second_min,
        }
    }

    /// How long it may take until more than so many bytes are there; `None` when the pace does not matter.
    fn allows(self, bytes: usize) -> Option<Duration> {
        let rate = u64::from(self.bytes_per_second_min);
        let millis = u64::try_from(bytes)
            .ok()?
            .saturating_mul(1_000)
            .checked_div(rate)?;
        Some(self.grace.saturating_add(Duration::from_millis(millis)))
    }
}

/// How much time one body has: a deadline for the whole, a pace for what is there so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Haste {
    began: Instant,
    deadline: Duration,
    pace: Pace,
}

impl Haste {
    /// The head is complete, the body may come.
    pub(crate) fn begin(deadline: Duration, pace: Pace) -> Self {
        Self {
            began: Instant::now(),
            deadline,
            pace,
        }
    }

    /// How much longer the next piece may take when so many bytes are there.
    pub(crate) fn left(self, bytes: usize) -> Duration {
        let paced = self.pace.allows(bytes).unwrap_or(self.deadline);
        self.deadline
            .min(paced)
            .saturating_sub(self.began.elapsed())
    }

    /// What it means that the time was up when so many bytes were there.
    pub(crate) fn refusal(self, bytes: usize) -> Refusal {
        match self.pace.allows(bytes) {
            Some(paced) if paced < self.deadline => {
                Refusal::BodyDribbles(self.pace.bytes_per_second_min)
            }
            _ => Refusal::BodyTooSlow(self.deadline),
        }
    }
}

/// The length that the request announces.
pub(crate) fn announced_length(session: &Session) -> Option<usize> {
    let value = session.req_header().headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// Reads the whole body of at most `bytes_max` bytes.
///
/// # Errors
/// When it is too large, too slow, broken off or not framed as it should be.
pub(crate) async fn read(
    session: &mut Session,
    bytes_max: usize,
    haste: Haste,
) -> Result<Bytes, Refusal> {
    session.set_read_timeout(Some(haste.deadline));
    invite(session).await?;
    let mut whole = BytesMut::new();
    let mut first: Option<Bytes> = None;
    loop {
        let taken = whole
            .len()
            .saturating_add(first.as_ref().map_or(0, Bytes::len));
        let piece = timeout(haste.left(taken), session.read_request_body())
            .await
            .map_err(|_elapsed| haste.refusal(taken))?
            .map_err(|error| broken(&error, haste, taken))?;
        let Some(piece) = piece else { break };
        if taken.saturating_add(piece.len()) > bytes_max {
            return Err(Refusal::BodyTooLarge(bytes_max));
        }
        match first.take() {
            // Most bodies come in one piece, which is then not copied again.
            None if whole.is_empty() => first = Some(piece),
            None => whole.extend_from_slice(&piece),
            Some(start) => {
                whole.extend_from_slice(&start);
                whole.extend_from_slice(&piece);
            }
        }
    }
    Ok(first.unwrap_or_else(|| whole.freeze()))
}

/// Tells a client that waits to be asked that its body is wanted.
async fn invite(session: &mut Session) -> Result<(), Refusal> {
    let waits = session.req_header().headers.contains_key(header::EXPECT);
    if waits && !session.is_http2() {
        session
            .write_continue_response()
            .await
            .map_err(|_gone| Refusal::BodyCut)?;
    }
    Ok(())
}

/// Takes a small body that nobody wants before the answer is sent: then the connection can be used again, and a flood of
/// refused requests does not become a flood of connections.
pub(crate) async fn discard_small(session: &mut Session) {
    let is_small = announced_length(session).is_some_and(|length| length <= SMALL_BYTES_MAX);
    let waits = session.req_header().headers.contains_key(header::EXPECT);
    if is_small && !waits {
        discard(session, SMALL_BYTES_MAX, SMALL_DEADLINE).await;
    }
}

/// Takes what is left of a body that nobody wants after the answer was sent, so that the answer arrives.
pub(crate) async fn discard_rest(session: &mut Session) {
    if !session.is_body_done() {
        discard(session, LEFTOVER_BYTES_MAX, LEFTOVER_DEADLINE).await;
    }
}

async fn discard(session: &mut Session, bytes_max: usize, deadline: Duration) {
    let until = Instant::now() + deadline;
    let mut taken = 0_usize;
    while taken < bytes_max {
        match timeout_at(until, session.read_request_body()).await {
            Ok(Ok(Some(piece))) => taken = taken.saturating_add(piece.len()),
            Ok(Ok(None) | Err(_)) | Err(_) => return,
        }
    }
}

/// What a failed read of a body means of which so many bytes were there.
pub(crate) fn broken(error: &pingora::Error, haste: Haste, bytes: usize) -> Refusal {
    match error.etype().as_str() {
        "ReadTimedout" => haste.refusal(bytes),
        "InvalidChunk" => NOT_CHUNKS,
        _ if is_malformed(error) => NOT_CHUNKS,
        _ => Refusal::BodyCut,
    }
}

/// Whether the stream gave up reading because of what it read.
pub(crate) fn is_malformed(error: &pingora::Error) -> bool {
    let cause: &(dyn std::error::Error + 'static) = error.root_cause();
    let cause = cause.downcast_ref::<std::io::Error>();
    let told = cause.and_then(std::io::Error::get_ref);
    told.is_some_and(|told| told.is::<MalformedChunks>())
}
