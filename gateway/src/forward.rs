//! Handing a request on to the workers' API, and its answer back.
//!
//! It exists to decide what crosses the edge: which fields of a stranger reach the API, which of the API's reach a stranger, how long
//! each may take, and what a caller reads when the API does not answer. Moving the bytes is for Pingora.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora::{Error, ErrorSource, ErrorType};
use sallyport_security::headers::{RouteClass, response_headers};

use crate::answer::{REQUEST_ID, limit_headers};
use crate::answers;
use crate::events::Meters;
use crate::exchange::Exchange;
use crate::refusal::Refusal;
use crate::routes::{Forwarding, Target};
use crate::upstreams::{Failure, Passage, StreamConnect, StreamIdleTimeout, Wish, websocket};

/// Whom a request comes from, as its access token has proved.
const USER_ID: HeaderName = HeaderName::from_static("x-user-id");

/// Fields by which a stranger could pretend to be somebody, or to come from somewhere else. Ours replace them.
pub(crate) static NOT_FROM_STRANGERS: [HeaderName; 12] = [
    header::FORWARDED,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-real-ip"),
    USER_ID,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("request-id"),
];

/// Fields of a forwarded request that the edge has written itself, and that say nothing about who asks.
pub(crate) const OURS: [HeaderName; 3] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("x-forwarded-proto"),
    REQUEST_ID,
];

/// Shorter than any upstream's own timeout, so that a request seldom meets a connection that is being closed.
const KEPT_IDLE: Duration = Duration::from_secs(20);
/// Tells connections with a stream's timeout from all others, which are kept and used again.
const STREAM_CONNECTIONS: u64 = 1;
/// What a stream of events is.
const EVENT_STREAM: &str = "text/event-stream";

/// Where a request goes next, and how long that may take.
///
/// # Errors
/// When no upstream of its group may be asked.
pub(crate) fn peer(
    forwarding: &Forwarding,
    passage: &mut Passage,
    head: &RequestHeader,
) -> Result<HttpPeer, Refusal> {
    let address = match &forwarding.to {
        Target::One(address) => *address,
        Target::Group(group) => passage.choose(group).map_err(Refusal::NoUpstream)?,
    };
    passage.begin();
    passage.wish = wish(forwarding, head);
    let mut peer = HttpPeer::new(address, false, String::new());
    let options = &mut peer.options;
    options.connection_timeout = Some(forwarding.connect_deadline);
    options.total_connection_timeout = Some(forwarding.connect_deadline);
    options.read_timeout = Some(forwarding.answer_deadline);
    options.write_timeout = Some(forwarding.answer_deadline);
    options.idle_timeout = Some(KEPT_IDLE);
    if passage.wish != Wish::WebSocket {
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
    }
    if passage.wish != Wish::Answer {
        let idle_timeout = StreamIdleTimeout::new(forwarding.answer_deadline);
        options.custom_l4 = Some(Arc::new(StreamConnect(Arc::clone(&idle_timeout))));
        options.read_timeout = None;
        options.idle_timeout = Some(Duration::ZERO);
        peer.group_key = STREAM_CONNECTIONS;
        passage.idle_timeout = Some(idle_timeout);
    }
    Ok(peer)
}

/// What a request wants from an upstream, as far as the route allows it.
fn wish(forwarding: &Forwarding, head: &RequestHeader) -> Wish {
    if forwarding.websocket && websocket::is_asked_for(head) {
        Wish::WebSocket
    } else if wants_events(&head.headers) {
        Wish::Events
    } else {
        Wish::Answer
    }
}

/// Whether a stream of events is among the types that the caller takes by name.
fn wants_events(headers: &HeaderMap) -> bool {
    let mut types = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    types.any(is_event_stream)
}

fn is_event_stream(media_type: &str) -> bool {
    let bare = media_type.split(';').next().unwrap_or_default();
    bare.trim().eq_ignore_ascii_case(EVENT_STREAM)
}

/// Judges the head of an answer before a caller sees it, and gives a stream the time that streams have.
///
/// # Errors
/// When it switches to another protocol and nobody asked for that, or it does not prove that it knows what it was asked.
pub(crate) fn admit_answer(
    response: &ResponseHeader,
    session: &mut Session,
    passage: &mut Passage,
    forwarding: &Forwarding,
) -> pingora::Result<()> {
    let idle = forwarding.stream_idle;
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        let is_begun =
            passage.wish == Wish::WebSocket && websocket::is_begun(session.req_header(), response);
        if !is_begun {
            let why = "a switch of protocols that nobody asked for";
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, why).into_up());
        }
        passage.is_tunnel = true;
        // The other side's clock is the one for both.
        session.set_read_timeout(None);
    } else if response.status.is_informational() {
        return Ok(());
    }
    passage.answered(response.status);
    let content_type = response.headers.get(header::CONTENT_TYPE);
    let is_stream = content_type
        .and_then(|value| value.to_str().ok())
        .is_some_and(is_event_stream);
    if passage.is_tunnel || is_stream {
        passage.stream_began = Some(Instant::now());
        // Somebody who stops to read is gone, too.
        session.set_write_timeout(Some(idle));
        if let Some(idle_timeout) = &passage.idle_timeout {
            idle_timeout.allow(idle);
        }
    }
    Ok(())
}

/// Replaces what a stranger may not say by what the edge knows.
///
/// # Errors
/// When a value is no header's value, which none of ours is.
pub(crate) fn dress_request(
    request: &mut RequestHeader,
    exchange: &Exchange,
) -> pingora::Result<()> {
    for name in &NOT_FROM_STRANGERS {
        request.remove_header(name);
    }
    request.insert_header("traceparent", exchange.span.traceparent())?;
    request.insert_header(REQUEST_ID, exchange.span.trace_id.to_string())?;
    request.insert_header("x-forwarded-proto", exchange.scheme)?;
    introduce(request, exchange)?;
    if exchange.is_looked_into {
        // It has been asked for its body already, and has sent it.
        request.remove_header(&header::EXPECT);
    }
    if let Some(address) = exchange.address {
        request.insert_header("x-forwarded-for", address_text(address))?;
    }
    if exchange.passage.wish == Wish::Events {
        // Its connection is not used again.
        request.insert_header(header::CONNECTION, "close")?;
    }
    Ok(())
}

/// Says whom the caller's access token has named, if the route asks for one; the token itself goes no further unless it is meant to.
fn introduce(request: &mut RequestHeader, exchange: &Exchange) -> pingora::Result<()> {
    let check = exchange
        .route
        .as_ref()
        .and_then(|route| route.token_check());
    if check.is_some_and(|check| !check.hand_on) {
        request.remove_header(&header::AUTHORIZATION);
    }
    match &exchange.user {
        Some(user) => request.insert_header(USER_ID, user.name()),
        None => Ok(()),
    }
}

/// Gives an upstream's answer to a request with these headers the fields that every answer of the edge has.
///
/// # Errors
/// When a value is no header's value, which none of ours is.
pub(crate) fn dress_response(
    request: &HeaderMap,
    response: &mut ResponseHeader,
    exchange: &Exchange,
    meters: &Meters,
) -> pingora::Result<()> {
    answers::undress(response);
    let route = exchange.route.as_deref();
    let answers = route.and_then(|route| route.answers());
    if let Some(answers) = answers {
        for cookie in answers.harden_cookies(response)? {
            meters.cookie_dropped(exchange.route_name(), &cookie);
        }
    }
    let is_switch = response.status == StatusCode::SWITCHING_PROTOCOLS;
    if response.status.is_informational() && !is_switch {
        return Ok(());
    }
    let class = route.map_or(RouteClass::Api, |route| route.class());
    let keeps_caching =
        answers.is_some_and(|answers| answers.keeps_its_caching(response, exchange.is_shared));
    // What is said about a page or a body means nothing for a tunnel.
    for (name, value) in response_headers(class).iter().filter(|_| !is_switch) {
        if !keeps_caching || *name != header::CACHE_CONTROL {
            response.insert_header(name.clone(), value.clone())?;
        }
    }
    if let Some(answers) = answers {
        answers.dress(request, response)?;
    }
    for (name, value) in limit_headers(&exchange.limits) {
        response.insert_header(name, value)?;
    }
    response.insert_header(REQUEST_ID, exchange.span.trace_id.to_string())
}

/// Decides whether a request that failed is sent again, and notes what that says about its upstream.
///
/// An upstream that closes a connection before its answer has begun did not answer this request: one that may be asked twice
/// is asked again, also when the connection was new, as it is with a worker that leaves.
pub(crate) fn settle(
    error: &mut Error,
    exchange: &mut Exchange,
    may_ask_again: bool,
    reused: bool,
) {
    let passage = &mut exchange.passage;
    let was_silent = passage.was_silent();
    let was_closed = exchange.status.is_none() && !was_silent && was_closed_unanswered(error);
    if !may_ask_again || was_silent {
        error.set_retry(false);
    } else if was_closed {
        error.set_retry(true);
    } else {
        error.retry.decide_reuse(reused);
    }
    // A kept connection that is closed may have been closed before the request came.
    let is_stale = was_closed && reused;
    if let Some(failure) = blame(error, passage).filter(|_| !is_stale) {
        passage.failed(failure);
    }
    if error.retry() && !passage.may_try_again() {
        error.set_retry(false);
    }
}

/// Whether the upstream ended the connection, rather than being slow or talking nonsense.
fn was_closed_unanswered(error: &Error) -> bool {
    matches!(error.esource(), ErrorSource::Upstream)
        && matches!(
            error.etype(),
            ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError
        )
}

/// What an error says about the upstream; nothing when it is not its fault.
fn blame(error: &Error, passage: &Passage) -> Option<Failure> {
    if !matches!(error.esource(), ErrorSource::Upstream) {
        return None;
    }
    Some(match error.etype() {
        _ if passage.was_silent() => Failure::TooSlow,
        ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout => {
            Failure::TooSlow
        }
        _ => Failure::Broken,
    })
}

/// What a failed hand-over means for the caller; nothing when there is no caller any more, or a tunnel that has ended.
pub(crate) fn failure(error: &Error, exchange: &Exchange) -> Option<Refusal> {
    if exchange.passage.is_tunnel {
        return None;
    }
    match error.esource() {
        ErrorSource::Upstream => Some(match blame(error, &exchange.passage) {
            Some(Failure::TooSlow) => Refusal::UpstreamTooSlow,
            _ => Refusal::Upstream,
        }),
        ErrorSource::Downstream => match error.etype() {
            // Pingora's word for bytes behind a request that waits for its answer.
            ErrorType::ConnectError => Some(Refusal::Malformed(
                "more was sent before this request was answered",
            )),
            ErrorType::ReadError if crate::body::is_malformed(error) => {
                Some(crate::chunks::NOT_CHUNKS)
            }
            ErrorType::WriteError
            | ErrorType::ReadError
            | ErrorType::ConnectionClosed
            | ErrorType::WriteTimedout => None,
            _ => {
                let haste = exchange.haste?;
                Some(crate::body::broken(error, haste, exchange.body_bytes))
            }
        },
        ErrorSource::Internal | ErrorSource::Unset => Some(Refusal::Internal),
    }
}

fn address_text(address: IpAddr) -> String {
    address.to_canonical().to_string()
}
