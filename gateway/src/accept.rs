//! Taking a webhook: read it whole, find out who sends it if its head did not say, and what it is, have it stored, and only then
//! say so.
//!
//! It exists to keep law L1: a 2xx means that the delivery is on disk, or that there was only a question whether somebody is here.
//! While nothing durable takes messages the answer is 503 with the time after which it makes sense to send again. What the
//! delivery means is not asked.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use pingora::proxy::Session;
use sallyport_queue::{AcceptError, Accepted, Intake, Key, NewMessage, PayloadFormat, Priority};
use sallyport_security::inspection::Format;
use sallyport_sources::{Arrival, Delivery, Urgency};
use sallyport_telemetry::Chain;

use crate::answer::Answer;
use crate::body::{self, Haste};
use crate::checks::{self, Asked, Moment, Strangers};
use crate::events::Meters;
use crate::exchange::Exchange;
use crate::inspection::inspect_body;
use crate::limits::{self, Asker};
use crate::refusal::Refusal;
use crate::routes::{Accepting, Bot, Route};
use crate::settings::Importance;

/// The longest wait that a sender is asked for; Telegram would honour up to an hour.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Where deliveries are stored. What it answers with `Ok` survives a power cut.
#[async_trait]
pub trait Shelf: Send + Sync + 'static {
    /// Where it stores what nothing keeps it from storing, as spans call it. A message that goes elsewhere says so itself.
    fn name(&self) -> &'static str;

    /// Stores a message, or finds that it had been stored before.
    ///
    /// # Errors
    /// When it is not stored; the error says whether sending it again is of use.
    async fn accept(&self, message: NewMessage) -> Result<Accepted, AcceptError>;
}

#[async_trait]
impl Shelf for Intake {
    fn name(&self) -> &'static str {
        "postgres"
    }

    async fn accept(&self, message: NewMessage) -> Result<Accepted, AcceptError> {
        Intake::accept(self, message).await
    }
}

/// Where a webhook is taken: what that needs besides the request itself.
pub(crate) struct Desk<'e> {
    pub(crate) route: &'e Route,
    pub(crate) accepting: &'e Accepting,
    pub(crate) bot: &'e Bot,
    pub(crate) strangers: &'e Strangers,
    pub(crate) meters: &'e Meters,
    pub(crate) shelf: &'e dyn Shelf,
    /// Who sends, as limits see it.
    pub(crate) address: IpAddr,
    /// When its head was complete.
    pub(crate) arrived: Moment,
    pub(crate) haste: Haste,
}

impl Desk<'_> {
    /// Takes the webhook that `session` brings. With `body_decides` nobody knows yet who sends it.
    ///
    /// # Errors
    /// When it was not answered with a 2xx: it is forged, or it was not stored.
    pub(crate) async fn take(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        body_decides: bool,
    ) -> Result<Answer, Refusal> {
        if self.bot.importance < Importance::Interactive {
            // What may wait need not even be read.
            self.admit()?;
        }
        #[cfg(feature = "fail-points")]
        sallyport_telemetry::points::reach(sallyport_telemetry::points::Point::K0).await;
        let body = body::read(session, self.accepting.body_bytes_max, self.haste).await;
        exchange.body_bytes = body.as_ref().map_or(0, Bytes::len);
        let body = match body_decides {
            true => self.vouch(session, exchange, body)?,
            false => body?,
        };
        // Only now is it somebody's message, so only now is it decided whether its trace belongs to the sample.
        exchange.span.sampled |= self.meters.keep().samples(exchange.span.trace_id);
        let arrival = read(self.bot, &session.req_header().headers, &body)?;
        let (delivery, reply) = match arrival {
            Arrival::Delivery { delivery, reply } => (delivery, reply),
            Arrival::Question(reply) => {
                exchange.is_question = true;
                return Ok(Answer::reply(Some(reply)));
            }
        };
        // What somebody waits for by the clock, or wants to stop, is told by the body alone, and never turned away (law L10).
        if self.bot.importance == Importance::Interactive && delivery.urgency == Urgency::InOrder {
            self.admit()?;
        }
        self.limit(session, exchange, &delivery).await?;
        self.inspect(exchange, delivery.payload.as_deref().unwrap_or(&body))?;
        #[cfg(feature = "fail-points")]
        sallyport_telemetry::points::reach(sallyport_telemetry::points::Point::K1).await;
        let answer = Answer::reply(reply);
        let message = self.message(delivery, body, exchange, answer.status());
        // What was stored, and what had been stored before, is counted where it is stored.
        let gate = self.route.gate.as_ref();
        let waiting = gate.map(|gate| gate.enter(Instant::now()));
        let stored = self.shelf.accept(message).await;
        let accepted = stored.map_err(|error| refused(&error))?;
        if let Some(waiting) = waiting {
            waiting.answered(Instant::now());
        }
        #[cfg(feature = "fail-points")]
        sallyport_telemetry::points::reach(sallyport_telemetry::points::Point::K3).await;
        exchange.repeats = accepted.repeats();
        Ok(answer)
    }

    /// Lets the webhook in, as far as the house can bear it.
    fn admit(&self) -> Result<(), Refusal> {
        let gate = self.route.gate.as_ref();
        gate.map_or(Ok(()), |gate| gate.admit(self.bot.importance))
    }

    /// Asks of a body what its head could not answer. Until then it is a stranger's: what is refused counts for the address, as
    /// everything does that is refused before a body is read.
    fn vouch(
        &self,
        session: &Session,
        exchange: &mut Exchange,
        body: Result<Bytes, Refusal>,
    ) -> Result<Bytes, Refusal> {
        let asked = Asked {
            head: session.req_header(),
            address: self.address,
            arrived: self.arrived,
            client: None,
            has_body: true,
            steps: None,
        };
        let vouched = body.and_then(|body| {
            let limited = checks::vouch(&asked, self.accepting, self.bot, &body, self.meters)?;
            exchange.limits.push(limited);
            Ok(body)
        });
        vouched.map_err(|refusal| {
            let (strangers, now) = (self.strangers, self.arrived.now);
            strangers.refuse(refusal, self.address, now, self.meters)
        })
    }

    /// Counts a delivery against the limits with names of its route. They come last, since most of what they tell apart stands
    /// in the body, and before it is stored.
    async fn limit(
        &self,
        session: &Session,
        exchange: &mut Exchange,
        delivery: &Delivery,
    ) -> Result<(), Refusal> {
        let asker = Asker {
            user: None,
            route: self.route,
            // A source that has proved itself is not limited by its address.
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            headers: &session.req_header().headers,
            delivery: Some((self.bot, delivery)),
        };
        let counted = limits::check(asker, Instant::now()).await?;
        exchange.limits.extend(counted);
        Ok(())
    }

    /// What somebody wrote is scored, so that an operator sees what comes in this way, and never refused for it.
    fn inspect(&self, exchange: &mut Exchange, payload: &[u8]) -> Result<(), Refusal> {
        if let Some(inspector) = &self.route.inspector {
            let findings = inspect_body(inspector, Format::Json, payload)?;
            exchange.findings.join(findings);
        }
        Ok(())
    }

    /// The message that a delivery becomes. It carries the edge's spans, so that they are written when it is known that
    /// the trace is worth keeping.
    fn message(
        &self,
        delivery: Delivery,
        body: Bytes,
        exchange: &Exchange,
        status: StatusCode,
    ) -> NewMessage {
        let trace = exchange.span.child();
        let mut server = exchange.server_span(Some(status), "accepted");
        server.set("sallyport.update", delivery.what);
        let send = exchange.send_span(trace, delivery.kind, self.shelf.name());
        NewMessage {
            bot: self.bot.name.clone(),
            tenant: self.bot.tenant.clone(),
            source: delivery.source,
            delivery_id: delivery.delivery_id,
            kind: delivery.kind.to_owned(),
            kind_version: delivery.kind_version,
            key: Key::new(&delivery.key),
            // Whatever a source sends, somebody waits for what it causes.
            priority: Priority::Interactive,
            payload: delivery.payload.map_or(body, Bytes::from),
            payload_format: PayloadFormat::Json,
            subject: delivery.subject,
            cause: None,
            trace,
            edge_spans: Some(vec![server, send]),
            delay: None,
            expires_in: None,
            unique: None,
        }
    }
}

/// What a verified request is.
///
/// # Errors
/// When it cannot be a delivery; where and why.
pub(crate) fn read(bot: &Bot, headers: &HeaderMap, body: &[u8]) -> Result<Arrival, Refusal> {
    let arrival = bot.provider.read(&bot.name, headers, body);
    arrival.map_err(|error| Refusal::NotADelivery(error.pointer(), error.to_string()))
}

fn refused(error: &AcceptError) -> Refusal {
    match error {
        AcceptError::Unavailable { retry_after } => {
            Refusal::NotStored((*retry_after).clamp(Duration::from_secs(1), RETRY_AFTER_MAX))
        }
        AcceptError::TooLarge { bytes_max, .. } => Refusal::BodyTooLarge(*bytes_max),
        // The edge made every field but the payload, and the payload may be anything.
        AcceptError::Invalid(_) | AcceptError::Refused { .. } => {
            tracing::error!(name: "edge.not_storable", { error = %Chain(error) }, "Message cannot be stored");
            Refusal::Internal
        }
    }
}
