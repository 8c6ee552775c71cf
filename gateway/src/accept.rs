//! Taking a webhook: read it whole, find out what it is, have it stored, and only then say so.
//!
//! It exists to keep law L1: a 2xx means that the delivery is on disk. While nothing durable takes messages the answer is 503 with
//! the time after which it makes sense to send again; Telegram honours that. What the delivery means is not asked.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use pingora::proxy::Session;
use sallyport_queue::{AcceptError, Accepted, Intake, Key, NewMessage, PayloadFormat, Priority};
use sallyport_security::inspection::Format;
use sallyport_sources::{Delivery, telegram};
use sallyport_telemetry::Chain;

use crate::answer::Answer;
use crate::body::{self, Haste};
use crate::exchange::Exchange;
use crate::inspection::inspect_body;
use crate::limits::{self, Asker};
use crate::refusal::Refusal;
use crate::routes::{Accepting, Bot};
use crate::settings::Source;

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

/// Takes the webhook that `session` brings for `bot`.
///
/// # Errors
/// When it was not stored.
pub(crate) async fn webhook(
    session: &mut Session,
    exchange: &mut Exchange,
    accepting: &Accepting,
    bot: &Bot,
    haste: Haste,
    shelf: &dyn Shelf,
) -> Result<Answer, Refusal> {
    #[cfg(feature = "fail-points")]
    sallyport_telemetry::points::reach(sallyport_telemetry::points::Point::K0).await;
    let body = body::read(session, accepting.body_bytes_max, haste).await?;
    let delivery = read(accepting.source, bot, &body)?;
    limit(session, exchange, bot, &delivery).await?;
    inspect(exchange, &body)?;
    #[cfg(feature = "fail-points")]
    sallyport_telemetry::points::reach(sallyport_telemetry::points::Point::K1).await;
    let message = message(delivery, body, bot, exchange, shelf.name());
    // What was stored, and what had been stored before, is counted where it is stored.
    let stored = shelf.accept(message).await;
    let accepted = stored.map_err(|error| refused(&error))?;
    #[cfg(feature = "fail-points")]
    sallyport_telemetry::points::reach(sallyport_telemetry::points::Point::K3).await;
    exchange.repeats = accepted.repeats();
    Ok(answer(accepting.source))
}

/// What somebody wrote is scored, so that an operator sees what comes in this way, and never refused for it.
fn inspect(exchange: &mut Exchange, body: &Bytes) -> Result<(), Refusal> {
    let route = exchange.route.clone();
    let inspector = route.as_ref().and_then(|route| route.inspector.as_ref());
    if let Some(inspector) = inspector {
        exchange
            .findings
            .join(inspect_body(inspector, Format::Json, body)?);
    }
    Ok(())
}

/// Counts a delivery against the limits with names of its route. They come last, since most of what they tell apart stands
/// in the body, and before it is stored.
async fn limit(
    session: &Session,
    exchange: &mut Exchange,
    bot: &Bot,
    delivery: &Delivery,
) -> Result<(), Refusal> {
    let Some(route) = exchange.route.clone() else {
        return Err(Refusal::Internal);
    };
    let asker = Asker {
        route: &route,
        // A source that has proved itself is not limited by its address.
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        headers: &session.req_header().headers,
        delivery: Some((bot, delivery)),
    };
    exchange
        .limits
        .extend(limits::check(asker, Instant::now()).await?);
    Ok(())
}

/// What a verified body is.
///
/// # Errors
/// When it cannot be a delivery; where and why.
pub(crate) fn read(source: Source, bot: &Bot, body: &[u8]) -> Result<Delivery, Refusal> {
    let delivery = match source {
        Source::Telegram => telegram::read(&bot.name, body),
    };
    delivery.map_err(|error| Refusal::NotADelivery(error.pointer(), error.to_string()))
}

/// The message that a delivery becomes. It carries the edge's spans, so that they are written when it is known that
/// the trace is worth keeping.
fn message(
    delivery: Delivery,
    body: Bytes,
    bot: &Bot,
    exchange: &Exchange,
    sink: &'static str,
) -> NewMessage {
    let trace = exchange.span.child();
    let mut server = exchange.server_span(Some(StatusCode::OK), "accepted");
    server.set("sallyport.update", delivery.what);
    let send = exchange.send_span(trace, delivery.kind, sink);
    NewMessage {
        bot: bot.name.clone(),
        tenant: bot.tenant.clone(),
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

/// What the sender of a stored webhook reads.
fn answer(source: Source) -> Answer {
    match source {
        // Telegram takes a body for a method that it should call.
        Source::Telegram => Answer::json(StatusCode::OK, "{}"),
    }
}
