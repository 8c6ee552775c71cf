//! The edge where answers are kept: what a request finds, what becomes of one that is fetched, what is shown when none can be had.
//!
//! It exists so that [`super`] stays a list of phases. What may be kept and for how long is for [`crate::cache`].

use http::{Method, header};
use pingora::http::ResponseHeader;
use pingora::proxy::{FailToProxy, Session};
use pingora::{Error, ErrorSource, ErrorType, Result};

use super::{Course, Edge};
use crate::answer::Answer;
use crate::answers::Answers;
use crate::cache::{Hit, Look, Refresh};
use crate::compress::Stream;
use crate::exchange::{Caller, Exchange};
use crate::forward;
use crate::refusal::Refusal;
use crate::routes::Route;
use crate::shedding::Gate;

/// What the route of a request makes of answers, if it hands on.
pub(super) fn answers(exchange: &Exchange) -> Option<&Answers> {
    exchange.route.as_ref()?.answers()
}

/// Has an answer of the edge's own be readable for whom the route's answers are.
pub(super) fn share(session: &Session, exchange: &Exchange, answer: &mut Answer) {
    let Some(cors) = answers(exchange).and_then(|answers| answers.cors.as_ref()) else {
        return;
    };
    for (name, value) in cors.fields(&session.req_header().headers) {
        if name != header::VARY || !answer.sets(&name) {
            answer.set(name, Some(value));
        }
    }
}

/// The answer to a script's question whether it may ask.
///
/// # Errors
/// When it may not.
pub(super) fn may_ask(
    session: &Session,
    answers: &Answers,
) -> std::result::Result<Option<Answer>, Refusal> {
    let request = session.req_header();
    match &answers.cors {
        Some(cors) if request.method == Method::OPTIONS => cors.options(&request.headers),
        Some(_) | None => Ok(None),
    }
}

/// Looks for a kept answer, if the route keeps any.
pub(super) async fn look(session: &mut Session, exchange: &mut Exchange) -> Course {
    let cache = answers(exchange).and_then(|answers| answers.cache.clone());
    let Some(cache) = cache else {
        return Course::Forward;
    };
    let has_body = !session.is_body_empty();
    let look = cache.look(session.req_header(), exchange.scheme, has_body);
    match look.await {
        Look::Hit(hit) => Course::Kept(hit),
        Look::Forward(turn) => {
            exchange.turn = Some(turn);
            Course::Forward
        }
    }
}

/// Lets a request on that nothing is kept for. Whoever is turned away is shown what is kept and too old, if there is anything.
///
/// # Errors
/// When it is turned away.
pub(super) fn admit(
    gate: &Gate,
    route: &Route,
    exchange: &mut Exchange,
) -> std::result::Result<Course, Refusal> {
    let Err(refusal) = gate.admit(route.importance) else {
        return Ok(Course::Forward);
    };
    let older = exchange.turn.as_mut().and_then(|turn| turn.failed());
    older.map(Course::Kept).ok_or(refusal)
}

/// The exchange of a subrequest that fetches for the cache; nothing for everybody else.
pub(super) fn refreshing(session: &mut Session) -> Option<Exchange> {
    let Refresh {
        route,
        turn,
        scheme,
        span,
    } = Refresh::take(session)?;
    let mut exchange = Exchange::begin(span, Caller::Unknown);
    exchange.scheme = scheme;
    exchange.route = Some(route);
    exchange.turn = Some(Box::new(turn));
    exchange.is_refresh = true;
    Some(exchange)
}

/// The upstream has begun to answer.
///
/// # Errors
/// When its answer is one that is not shown. What is shown instead is noted.
pub(super) fn begun(exchange: &mut Exchange, response: &ResponseHeader) -> Result<()> {
    let stand_in = exchange.turn.as_mut().and_then(|turn| turn.begun(response));
    if stand_in.is_some() {
        exchange.stand_in = stand_in;
    } else if let Some(refusal) = answers(exchange).and_then(|answers| answers.failure(response)) {
        exchange.refusal = Some(refusal);
    } else {
        return Ok(());
    }
    let status = response.status.as_u16();
    Error::e_explain(ErrorType::HTTPStatus(status), "the answer is not shown")
}

/// What is shown in place of an answer that could not be had, if anything is.
pub(super) fn stand_in(exchange: &mut Exchange, error: &Error) -> Option<Box<Hit>> {
    exchange.stand_in.take().or_else(|| {
        let is_theirs = matches!(error.esource(), ErrorSource::Upstream);
        let turn = exchange.turn.as_mut().filter(|_| is_theirs)?;
        turn.failed()
    })
}

/// What the cache and the encoder have to say about an answer that passes.
///
/// # Errors
/// When a value is no header's value, which none of ours is.
pub(super) fn passing(
    session: &Session,
    exchange: &mut Exchange,
    response: &mut ResponseHeader,
) -> Result<()> {
    if response.status.is_informational() {
        return Ok(());
    }
    if let Some(turn) = &exchange.turn {
        response.insert_header("cache-status", turn.status())?;
        exchange.is_shared = turn.is_shared();
    }
    if answers(exchange).is_some_and(|answers| answers.compresses) {
        let request = session.req_header();
        exchange.pressing = Stream::begin(&request.method, &request.headers, response)?;
    }
    Ok(())
}

impl Edge {
    /// Sends a kept answer, and sees to it that another is fetched if it is time.
    ///
    /// # Errors
    /// When the peer is gone.
    pub(super) async fn show(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        mut hit: Box<Hit>,
    ) -> Result<()> {
        let route = exchange.route.clone();
        let answers = route.as_deref().and_then(|route| route.answers());
        let cache = answers.and_then(|answers| answers.cache.as_ref());
        let (Some(route), Some(answers), Some(cache)) = (&route, answers, cache) else {
            return Error::e_explain(ErrorType::InternalError, "a kept answer without a cache");
        };
        exchange.kept = Some(hit.outcome());
        exchange.is_shared = true;
        let span = exchange.span.child();
        Refresh::begin(cache, &mut hit, session, route, span, &self.tracker);
        let request = session.req_header();
        let shown = hit.answer(cache, &request.method, &request.headers, answers.compresses);
        let (mut response, body) = shown.await?;
        forward::dress_response(&request.headers, &mut response, exchange, &self.meters)?;
        if self.draining.is_cancelled() {
            session.set_keepalive(None);
        }
        exchange.status = Some(response.status);
        let ends_here = body.is_empty();
        session.write_response_header(response, ends_here).await?;
        if !ends_here {
            session.write_response_body(Some(body), true).await?;
        }
        Ok(())
    }

    /// Sends a kept answer in place of one that could not be had.
    pub(super) async fn show_instead(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        hit: Box<Hit>,
    ) -> FailToProxy {
        let sent = self.show(session, exchange, hit).await;
        let status = exchange.status.map_or(0, |status| status.as_u16());
        FailToProxy {
            error_code: if sent.is_ok() { status } else { 0 },
            // Nothing is left of a request whose answer may be kept: it had no body.
            can_reuse_downstream: sent.is_ok(),
        }
    }
}
