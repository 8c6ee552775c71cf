//! Handing a request on to the workers' API, and its answer back.
//!
//! It exists to decide what crosses the edge: which fields of a stranger reach the API, which of the API's reach a stranger, how long
//! each may take, and what a caller reads when the API does not answer. Moving the bytes is for Pingora.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType};
use sallyport_security::headers::{RouteClass, response_headers};

use crate::answer::{REQUEST_ID, limit_headers};
use crate::answers;
use crate::events::Meters;
use crate::exchange::Exchange;
use crate::refusal::Refusal;
use crate::routes::Forwarding;

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

/// Where a request goes, and how long that may take.
pub(crate) fn peer(forwarding: &Forwarding) -> HttpPeer {
    let mut peer = HttpPeer::new(forwarding.upstream, false, String::new());
    peer.options.connection_timeout = Some(forwarding.connect_deadline);
    peer.options.total_connection_timeout = Some(forwarding.connect_deadline);
    peer.options.read_timeout = Some(forwarding.answer_deadline);
    peer.options.write_timeout = Some(forwarding.answer_deadline);
    // Shorter than any upstream's own patience, so that a request seldom meets a connection that is being closed.
    peer.options.idle_timeout = Some(std::time::Duration::from_secs(20));
    peer
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
    remove_lookalikes(request);
    request.insert_header("traceparent", exchange.span.traceparent())?;
    request.insert_header(REQUEST_ID, exchange.span.trace_id.to_string())?;
    request.insert_header("x-forwarded-proto", exchange.scheme)?;
    introduce(request, exchange)?;
    if let Some(address) = exchange.address {
        request.insert_header("x-forwarded-for", address_text(address))?;
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

/// Takes away what would be one of our names to a reader who takes `_` for `-`, as CGI and its heirs do.
fn remove_lookalikes(request: &mut RequestHeader) {
    let is_lookalike = |name: &&HeaderName| {
        let name = name.as_str();
        name.contains('_')
            && NOT_FROM_STRANGERS
                .iter()
                .any(|known| known.as_str() == name.replace('_', "-"))
    };
    let lookalikes: Vec<_> = request
        .headers
        .keys()
        .filter(is_lookalike)
        .cloned()
        .collect();
    for name in &lookalikes {
        request.remove_header(name);
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
    if response.status.is_informational() {
        return Ok(());
    }
    let class = route.map_or(RouteClass::Api, |route| route.class());
    let keeps_caching =
        answers.is_some_and(|answers| answers.keeps_its_caching(response, exchange.is_shared));
    for (name, value) in response_headers(class) {
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

/// Whether the upstream ended the connection, rather than being slow or talking nonsense.
pub(crate) fn was_closed_unanswered(error: &Error) -> bool {
    matches!(error.esource(), ErrorSource::Upstream)
        && matches!(
            error.etype(),
            ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError
        )
}

/// What a failed hand-over means for the caller; nothing when there is no caller any more.
pub(crate) fn failure(error: &Error, exchange: &Exchange) -> Option<Refusal> {
    match error.esource() {
        ErrorSource::Upstream => Some(match error.etype() {
            ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout => {
                Refusal::UpstreamTooSlow
            }
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
