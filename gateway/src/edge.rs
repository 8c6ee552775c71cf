//! The edge inside Pingora: its phases, each one line that calls what does the work.
//!
//! It exists to keep Pingora's vocabulary in one file. It decides nothing itself: checks are in [`crate::checks`], taking webhooks in
//! [`crate::accept`], handing on in [`crate::forward`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use sallyport_telemetry::Health;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::Shelf;
use crate::acme::Challenges;
use crate::answer::Answer;
use crate::body::{self, Haste, Pace};
use crate::cache::Hit;
use crate::events::Meters;
use crate::exchange::Exchange;
use crate::forward;
use crate::refusal::Refusal;
use crate::routes::{Forwarding, Route};
use crate::rules::CurrentRules;
use crate::upstreams::Failure;

mod bodies;
mod kept;
mod receiving;

/// What all requests share.
pub(crate) struct Edge {
    pub(crate) rules: CurrentRules,
    pub(crate) pace: Pace,
    pub(crate) fields_max: usize,
    /// How long a client may take nothing of an answer.
    pub(crate) write_deadline: Duration,
    pub(crate) shelf: Arc<dyn Shelf>,
    pub(crate) challenges: Challenges,
    pub(crate) health: Health,
    pub(crate) meters: Arc<Meters>,
    pub(crate) draining: CancellationToken,
    /// Knows what goes on behind requests.
    pub(crate) tracker: TaskTracker,
}

/// What the edge does with a request that it has let in.
enum Course {
    /// It is answered here.
    Answer(Answer),
    /// It is answered from what is kept.
    Kept(Box<Hit>),
    /// It is handed on.
    Forward,
}

impl Edge {
    /// Sends an answer of our own, and sees to what is left of the request.
    async fn answer(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        mut answer: Answer,
    ) -> Result<()> {
        body::discard_small(session).await;
        answer.limits(&exchange.limits);
        kept::share(session, exchange, &mut answer);
        if self.draining.is_cancelled() {
            session.set_keepalive(None);
        }
        let status = answer.status();
        answer.send(session, exchange.span.trace_id).await?;
        exchange.status = Some(status);
        body::discard_rest(session).await;
        Ok(())
    }

    async fn refuse(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        refusal: Refusal,
    ) -> Result<()> {
        let answer = Answer::refusal(&refusal, exchange.span.trace_id);
        if let Refusal::TooFast(limited, _) = &refusal {
            exchange.limits = vec![limited.clone()];
        }
        if matches!(refusal, Refusal::Malformed(_)) {
            // Where the next request would begin, nobody may guess.
            session.set_keepalive(None);
        }
        exchange.refusal = Some(refusal);
        self.answer(session, exchange, answer).await
    }
}

/// How the route of a request hands on, if it does.
fn forwarding(exchange: &Exchange) -> Option<&Forwarding> {
    exchange.route.as_ref()?.forwarding()
}

/// Ends a request on its way on; what its caller is told is noted.
fn refused(exchange: &mut Exchange, refusal: Refusal) -> Box<Error> {
    let status = refusal.status().as_u16();
    exchange.refusal = Some(refusal);
    Error::explain(ErrorType::HTTPStatus(status), "the request is refused")
}

fn no_forward_route() -> Box<Error> {
    let why = "a request without a forward route";
    Error::explain(ErrorType::InternalError, why)
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Option<Exchange>;

    fn new_ctx(&self) -> Self::CTX {
        None
    }

    /// Only for what the cache fetches by itself.
    fn allow_spawning_subrequest(&self, _session: &Session, _ctx: &Self::CTX) -> bool {
        self.rules.load().keeps_answers
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Self::CTX) -> Result<bool> {
        if let Some(refreshing) = kept::refreshing(session) {
            *ctx = Some(refreshing);
            return Ok(false);
        }
        // One set of rules for the whole request, whatever is reloaded meanwhile.
        let rules = self.rules.load_full();
        // On HTTP/2 a client may take all frames and still leave an answer without a window.
        session.set_write_timeout(Some(self.write_deadline));
        let exchange = ctx.insert(self.meet(&rules, session));
        let mut course = self.receive(&rules, session, exchange).await;
        if matches!(course, Ok(Course::Forward)) {
            exchange.haste = forwarding(exchange)
                .map(|forwarding| Haste::begin(forwarding.body_deadline, self.pace));
            session.set_read_timeout(exchange.haste.map(|haste| haste.left(0)));
            let looked = bodies::look_ahead(session, exchange).await;
            course = looked.map(|()| Course::Forward);
        }
        let sent = match course {
            Ok(Course::Forward) => return Ok(false),
            Ok(Course::Answer(answer)) => self.answer(session, exchange, answer).await,
            Ok(Course::Kept(hit)) => self.show(session, exchange, hit).await,
            Err(refusal) => self.refuse(session, exchange, refusal).await,
        };
        if sent.is_err() {
            // The sender is gone. Whatever is on disk stays there, and a repeat will be recognised.
            session.set_keepalive(None);
        }
        #[cfg(feature = "fail-points")]
        if exchange.source.is_some() {
            sallyport_telemetry::points::reach(sallyport_telemetry::points::Point::K4).await;
        }
        Ok(true)
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        ctx: &mut Self::CTX,
    ) -> Result<Box<HttpPeer>> {
        let is_whole = session.is_body_empty();
        let head = session.req_header();
        let exchange = ctx.as_mut().ok_or_else(no_forward_route)?;
        // Whoever is asked again gets the whole body again.
        exchange.body_bytes = 0;
        exchange.held = bodies::held(exchange, &head.headers);
        let route = exchange.route.as_deref();
        let forwarding = route
            .and_then(Route::forwarding)
            .ok_or_else(no_forward_route)?;
        match forward::peer(forwarding, &mut exchange.passage, head) {
            Ok(peer) => {
                if is_whole {
                    exchange.sent();
                }
                Ok(Box::new(peer))
            }
            Err(refusal) => Err(refused(exchange, refusal)),
        }
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        match ctx {
            Some(exchange) => {
                forward::dress_request(request, exchange)?;
                if let Some(turn) = &exchange.turn {
                    turn.prepare(request, &forward::OURS)?;
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        match ctx {
            Some(exchange) => bodies::pass(session, exchange, body, end_of_stream),
            None => Ok(()),
        }
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        let Some(exchange) = ctx else { return Ok(()) };
        let route = exchange.route.as_deref();
        if let Some(forwarding) = route.and_then(Route::forwarding) {
            forward::admit_answer(response, session, &mut exchange.passage, forwarding)?;
        }
        kept::begun(exchange, response)
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Self::CTX,
    ) -> Result<Option<Duration>> {
        if let Some(turn) = ctx.as_mut().and_then(|exchange| exchange.turn.as_mut()) {
            turn.note(body.as_ref(), end_of_stream);
        }
        Ok(None)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        let Some(exchange) = ctx else { return Ok(()) };
        if self.draining.is_cancelled() {
            session.set_keepalive(None);
        }
        exchange.status = Some(response.status);
        kept::passing(session, exchange, response)?;
        let request = &session.req_header().headers;
        forward::dress_response(request, response, exchange, &self.meters)
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Self::CTX,
    ) -> Result<Option<Duration>> {
        if let Some(stream) = ctx.as_mut().and_then(|exchange| exchange.pressing.as_mut()) {
            stream.press(body, end_of_stream)?;
        }
        Ok(None)
    }

    /// Nothing was sent to an upstream that cannot be connected to: whatever the method, another one of its group may be asked.
    fn fail_to_connect(
        &self,
        session: &mut Session,
        peer: &HttpPeer,
        ctx: &mut Self::CTX,
        error: Box<Error>,
    ) -> Box<Error> {
        let mut error = error.more_context(format!("upstream {peer}"));
        let Some(Exchange { passage, .. }) = ctx else {
            return error;
        };
        passage.failed(Failure::Connect);
        let is_whole = !session.as_ref().retry_buffer_truncated();
        error.set_retry(passage.is_of_group() && is_whole && passage.may_try_again());
        error
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut Self::CTX,
        reused: bool,
    ) -> Box<Error> {
        let mut error = error.more_context(format!("upstream {peer}"));
        let is_whole = !session.as_ref().retry_buffer_truncated();
        let may_ask_again = is_whole && session.req_header().method.is_idempotent();
        let Some(exchange) = ctx else {
            error.set_retry(false);
            return error;
        };
        forward::settle(&mut error, exchange, may_ask_again, reused);
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Self::CTX,
    ) -> FailToProxy {
        let exchange = match ctx {
            Some(exchange) => exchange,
            None => ctx.insert(self.meet(&self.rules.load(), session)),
        };
        // After an interim answer, such as 100, the answer itself is still to come.
        let already_begun = session
            .response_written()
            .is_some_and(|begun| !begun.status.is_informational());
        if !already_begun && let Some(hit) = kept::stand_in(exchange, error) {
            return self.show_instead(session, exchange, hit).await;
        }
        let meant = exchange
            .refusal
            .take()
            .or_else(|| forward::failure(error, exchange));
        let code = match meant {
            Some(refusal) if !already_begun => {
                let status = refusal.status();
                // Without an answer there is nobody to tell that there is none.
                let sent = self.refuse(session, exchange, refusal).await;
                sent.map_or(0, |()| status.as_u16())
            }
            other => {
                exchange.refusal = other;
                0
            }
        };
        FailToProxy {
            error_code: code,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, _session: &mut Session, _error: Option<&Error>, ctx: &mut Self::CTX) {
        if let Some(exchange) = ctx {
            exchange.passage.end();
            self.meters.finished(exchange);
        }
    }

    /// Told once, by [`Meters::finished`].
    fn suppress_error_log(&self, _session: &Session, _ctx: &Self::CTX, _error: &Error) -> bool {
        true
    }
}
