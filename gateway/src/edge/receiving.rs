//! From a complete head to the decision what to do with a request.
//!
//! It exists so that [`super`] stays a list of phases. What is asked, and in which order, is for [`crate::checks`].

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use http::Version;
use pingora::proxy::Session;
use sallyport_telemetry::trace::SpanContext;

use super::{Course, Edge, kept};
use crate::accept::Desk;
use crate::answer::Answer;
use crate::body::Haste;
use crate::checks::{self, Asked, Moment};
use crate::exchange::{Caller, Exchange};
use crate::health;
use crate::limits::{self, Asker};
use crate::listeners::ClientChain;
use crate::problem;
use crate::refusal::Refusal;
use crate::routes::{Action, Route};
use crate::rules::Rules;

/// What the checks of a head leave to be known.
struct Judged {
    /// The part of the path that the route left open.
    rest: String,
    /// Whether it is a webhook that only its body can prove to be genuine.
    body_decides: bool,
}

impl Edge {
    /// Starts the exchange: who is it, and which trace does it belong to.
    pub(super) fn meet(&self, rules: &Rules, session: &Session) -> Exchange {
        let head = session.req_header();
        let peer = session
            .client_addr()
            .and_then(|address| address.as_inet())
            .map(|address| address.ip());
        let caller = rules.peers.caller(peer, &head.headers);
        let span = match &caller {
            Caller::Trusted(parent) => parent.child(),
            Caller::Unknown | Caller::Claimed(_) => SpanContext::new_root(false),
        };
        let mut exchange = Exchange::begin(span, caller);
        exchange.address = peer.map(|peer| rules.peers.client(peer, &head.headers));
        exchange.method = head.method.clone();
        exchange.version = match head.version {
            Version::HTTP_2 => "2",
            Version::HTTP_10 => "1.0",
            _ => "1.1",
        };
        let has_tls = session
            .digest()
            .is_some_and(|digest| digest.ssl_digest.is_some());
        exchange.scheme = if has_tls { "https" } else { "http" };
        exchange.active = Some(self.meters.active(&exchange));
        exchange
    }

    /// Everything between a complete head and the decision what to do.
    pub(super) async fn receive(
        &self,
        rules: &Rules,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<Course, Refusal> {
        // Before everything: an authority asks over plain HTTP, also where nothing else is answered there.
        if let Some(page) = self.challenges.page(session.req_header().uri.path()) {
            return Ok(Course::Answer(Answer::bytes(page)));
        }
        let address = exchange
            .address
            .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let arrived = Moment::now();
        let now = arrived.now;
        let judged = self.judge(rules, session, exchange, address, arrived);
        let Judged { rest, body_decides } = judged
            .map_err(|refusal| rules.strangers.refuse(refusal, address, now, &self.meters))?;
        let Some(route) = exchange.route.clone() else {
            return Err(Refusal::Internal);
        };
        if let Some(location) = exchange.elsewhere.take() {
            return Ok(Course::Answer(Answer::moved(&location)));
        }
        let answer = match &route.action {
            Action::Forward(forwarding) => {
                self.limit_forwarded(session, exchange, &route, address, now)
                    .await?;
                if let Some(answer) = kept::may_ask(session, &forwarding.answers)? {
                    return Ok(Course::Answer(answer));
                }
                let course = kept::look(session, exchange).await;
                return match (course, &route.gate) {
                    (Course::Forward, Some(gate)) => kept::admit(gate, &route, exchange),
                    (course, _) => Ok(course),
                };
            }
            Action::Accept(accepting) => {
                let desk = Desk {
                    route: &route,
                    accepting,
                    bot: accepting.bot(&rest).ok_or(Refusal::UnknownBot)?,
                    strangers: &rules.strangers,
                    meters: &self.meters,
                    shelf: &*self.shelf,
                    address,
                    arrived,
                    haste: Haste::begin(accepting.body_deadline, self.pace),
                };
                desk.take(session, exchange, body_decides).await?
            }
            Action::Health(page) => health::page(*page, &self.health),
            Action::Status(_) => health::status(&self.health),
            Action::Problems => {
                let page = problem::named(&rest).ok_or(Refusal::NoRoute)?;
                Answer::page(page.html())
            }
        };
        Ok(Course::Answer(answer))
    }

    /// Counts a request that is handed on against the limits with names of its route.
    async fn limit_forwarded(
        &self,
        session: &Session,
        exchange: &mut Exchange,
        route: &Route,
        address: IpAddr,
        now: Instant,
    ) -> Result<(), Refusal> {
        let asker = Asker {
            route,
            address,
            headers: &session.req_header().headers,
            user: exchange.user.as_ref(),
            delivery: None,
        };
        exchange.limits.extend(limits::check(asker, now).await?);
        Ok(())
    }

    /// Asks all checks and notes what they found.
    fn judge(
        &self,
        rules: &Rules,
        session: &mut Session,
        exchange: &mut Exchange,
        address: IpAddr,
        arrived: Moment,
    ) -> Result<Judged, Refusal> {
        let has_body = !session.is_body_empty();
        let asked = Asked {
            head: session.req_header(),
            address,
            arrived,
            client: shown_certificate(session),
            has_body,
            steps: None,
        };
        let found = checks::find(&asked, rules, self.fields_max)?;
        exchange.route = Some(Arc::clone(&found.route));
        if let Some(accepting) = found.route.accepting() {
            let bot = accepting.bot(found.rest);
            exchange.source = bot.map(|bot| Arc::clone(&bot.source));
            exchange.recent = bot.map(|bot| Arc::clone(&bot.recent));
        }
        // Before anything is compared: on a door to the world no secret is worth an answer without TLS.
        exchange.elsewhere = rules.plain.check(&asked, exchange.scheme, &found.route)?;
        let admitted = checks::admit(&asked, &found, &rules.strangers, &self.meters)?;
        exchange.limits.extend(admitted.limited);
        exchange.findings.join(admitted.findings);
        exchange.described = admitted.described;
        exchange.user = admitted.user;
        Ok(Judged {
            rest: found.rest.to_owned(),
            body_decides: admitted.body_decides,
        })
    }
}

/// What the client has shown in the handshake of its connection.
fn shown_certificate(session: &Session) -> Option<&ClientChain> {
    let tls = session.digest()?.ssl_digest.as_ref()?;
    tls.extension.get()
}
