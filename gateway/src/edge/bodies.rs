//! Bodies on their way to an upstream: how large, how slow, and what is in them.
//!
//! It exists so that [`super`] stays a list of phases. What is looked for is for [`crate::inspection`], how slow is too slow for
//! [`crate::body`].
//!
//! A small body is looked at before an upstream is chosen ([`look_ahead`]): one that is refused has then reached nobody, one that comes
//! slowly keeps no upstream waiting, and head and body leave together. A larger one, or one that does not say how large it is, is kept
//! back while its head is with the upstream already ([`pass`]).

use bytes::Bytes;
use http::HeaderMap;
use pingora::Result;
use pingora::proxy::Session;
use sallyport_security::inspection::{Format, Inspector};

use super::{forwarding, refused};
use crate::body;
use crate::exchange::Exchange;
use crate::inspection::{HeldBody, inspect_body};
use crate::refusal::Refusal;

/// The largest body that is looked at before an upstream is chosen: what Pingora keeps of a body to send it again.
const AHEAD_BYTES_MAX: usize = 64 * 1024;

/// Reads and looks at a body that is small, if anybody looks at it. Pingora keeps what was read and hands it on.
///
/// # Errors
/// When it looks like an attack and the route refuses those, or does not come as it should.
pub(super) async fn look_ahead(
    session: &mut Session,
    exchange: &mut Exchange,
) -> std::result::Result<(), Refusal> {
    let head = session.req_header();
    let held = held(exchange, &head.headers);
    let is_small = body::announced_length(session).is_some_and(|length| length <= AHEAD_BYTES_MAX);
    let (Some(held), Some(haste), true) = (held, exchange.haste, is_small) else {
        return Ok(());
    };
    session.as_mut().enable_retry_buffering();
    let whole = body::read(session, AHEAD_BYTES_MAX, haste).await?;
    exchange.is_looked_into = true;
    judge(exchange, &session.req_header().headers, held.format, &whole)
}

/// A piece of a body has come.
///
/// # Errors
/// When the body is refused; why is noted.
pub(super) fn pass(
    session: &mut Session,
    exchange: &mut Exchange,
    body: &mut Option<Bytes>,
    is_whole: bool,
) -> Result<()> {
    if exchange.passage.is_tunnel {
        return Ok(());
    }
    exchange.body_bytes = exchange
        .body_bytes
        .saturating_add(body.as_ref().map_or(0, Bytes::len));
    let (Some(forwarding), Some(haste)) = (forwarding(exchange), exchange.haste) else {
        return Ok(());
    };
    let left = haste.left(exchange.body_bytes);
    let refusal = if exchange.body_bytes > forwarding.body_bytes_max {
        Refusal::BodyTooLarge(forwarding.body_bytes_max)
    } else if body.is_some() && left.is_zero() {
        haste.refusal(exchange.body_bytes)
    } else if let Err(refusal) = look_into(session, exchange, body, is_whole) {
        refusal
    } else {
        session.set_read_timeout(Some(left));
        if is_whole {
            exchange.sent();
        }
        return Ok(());
    };
    Err(refused(exchange, refusal))
}

/// Where a body with these headers is kept until it is whole, if somebody looks at it.
pub(super) fn held(exchange: &Exchange, headers: &HeaderMap) -> Option<HeldBody> {
    let is_asked_about = inspector(exchange).is_some() || exchange.described.reads_body();
    let is_open = is_asked_about && !exchange.is_looked_into;
    is_open.then(|| HeldBody::for_request(headers)).flatten()
}

/// Who looks at what the route of a request hands on, if anybody does.
fn inspector(exchange: &Exchange) -> Option<&Inspector> {
    exchange.route.as_ref()?.inspector.as_ref()
}

/// Looks at a whole body: whether its API takes such a one, and whether it looks like an attack.
fn judge(
    exchange: &mut Exchange,
    headers: &HeaderMap,
    format: Format,
    body: &[u8],
) -> std::result::Result<(), Refusal> {
    exchange.described.judge_body(headers, body)?;
    if let Some(inspector) = inspector(exchange) {
        let findings = inspect_body(inspector, format, body)?;
        exchange.findings.join(findings);
    }
    Ok(())
}

/// Keeps a body back until it is whole, and looks at it then.
fn look_into(
    session: &Session,
    exchange: &mut Exchange,
    body: &mut Option<Bytes>,
    is_whole: bool,
) -> std::result::Result<(), Refusal> {
    let Some(mut held) = exchange.held.take() else {
        return Ok(());
    };
    held.keep(body);
    if !is_whole {
        exchange.held = Some(held);
        return Ok(());
    }
    let format = held.format;
    let whole = held.release();
    judge(exchange, &session.req_header().headers, format, &whole)?;
    if !whole.is_empty() {
        *body = Some(whole);
    }
    Ok(())
}
