//! Bodies on their way to an upstream: how large, how slow, and what is in them.
//!
//! It exists so that [`super`] stays a list of phases. What is looked for is for [`crate::inspection`], how slow is too slow for
//! [`crate::body`].

use bytes::Bytes;
use http::HeaderMap;
use pingora::Result;
use pingora::proxy::Session;
use sallyport_security::inspection::Inspector;

use super::{forwarding, refused};
use crate::exchange::Exchange;
use crate::inspection::HeldBody;
use crate::refusal::Refusal;

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
    } else if let Err(refusal) = look_into(exchange, body, is_whole) {
        refusal
    } else {
        session.set_read_timeout(Some(left));
        return Ok(());
    };
    Err(refused(exchange, refusal))
}

/// Where a body with these headers is kept until it is whole, if somebody looks at it.
pub(super) fn held(exchange: &Exchange, headers: &HeaderMap) -> Option<HeldBody> {
    inspector(exchange).and_then(|_| HeldBody::for_request(headers))
}

/// Who looks at what the route of a request hands on, if anybody does.
fn inspector(exchange: &Exchange) -> Option<&Inspector> {
    exchange.route.as_ref()?.inspector.as_ref()
}

/// Keeps a body back until it is whole, and looks at it then.
fn look_into(
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
    let Some(inspector) = inspector(exchange) else {
        return Err(Refusal::Internal);
    };
    let (whole, findings) = held.release(inspector)?;
    exchange.findings.join(findings);
    if !whole.is_empty() {
        *body = Some(whole);
    }
    Ok(())
}
