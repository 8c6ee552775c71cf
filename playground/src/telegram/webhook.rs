//! Delivery to a bot's webhook, as Telegram does it.
//!
//! One task per webhook. Updates of one chat go out one after the other, each waiting for the previous one's 2xx; different chats in parallel, up to
//! `max_connections`. Anything but a 2xx is repeated with a growing wait, or after the `Retry-After` it carried. The client keeps its connections and
//! trusts the certificate that was uploaded with `setWebhook`. A 2xx may carry one method call in its body.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    bot::{Bot, now_ms},
    methods,
    parameters::Parameters,
    updates::{Departure, Refused},
};
use crate::{
    faults::{DELIVERY, Target},
    world::World,
};

/// Telegram gives a webhook a minute.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// An answer's body may carry one method call; more than this is not read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A webhook as `setWebhook` left it.
pub(crate) struct Webhook {
    pub(crate) url: String,
    pub(crate) has_certificate: bool,
    pub(crate) max_connections: usize,
    pub(crate) ip_address: Option<String>,
    pub(crate) secret: String,
    /// Ends its delivery task.
    pub(crate) stop: CancellationToken,
}

/// What the delivery task needs to know about where it delivers.
pub(crate) struct Destination {
    pub(crate) url: Url,
    pub(crate) secret: String,
    pub(crate) max_connections: usize,
    pub(crate) client: reqwest::Client,
    pub(crate) stop: CancellationToken,
}

/// A client for one webhook: keep-alive, HTTP/1.1 as Telegram, trusting these certificates besides the system's.
pub(crate) fn client(certificates: &[Vec<u8>]) -> Result<reqwest::Client, String> {
    let mut trusted = Vec::new();
    for pem in certificates {
        let parsed =
            reqwest::Certificate::from_pem_bundle(pem).map_err(|error| error.to_string())?;
        trusted.extend(parsed);
    }
    let builder = reqwest::Client::builder()
        .http1_only()
        .timeout(ANSWER_TIMEOUT)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    let builder = if trusted.is_empty() {
        builder
    } else {
        builder.tls_certs_only(trusted)
    };
    builder.build().map_err(|error| error.to_string())
}

/// How one delivery went.
struct Arrival {
    departure: Departure,
    result: Result<Accepted, Failed>,
}

struct Accepted {
    status: u16,
    request_id: Option<String>,
    call: Option<Bytes>,
}

struct Failed {
    status: Option<u16>,
    retry_after: Option<Duration>,
    error: String,
}

/// Delivers until the webhook or the playground stops. Cancel safe: what was under way is due again ([`super::updates::Updates::recall`]).
pub(crate) async fn deliver(world: Arc<World>, bot: Arc<Bot>, to: Destination) {
    let mut under_way = FuturesUnordered::new();
    loop {
        let woken = bot.woken();
        tokio::pin!(woken);
        woken.as_mut().enable();
        while under_way.len() < to.max_connections {
            let Some(departure) = bot.lock().updates.depart(Instant::now(), now_ms()) else {
                break;
            };
            world.changed(bot.id, departure.lane);
            under_way.push(send(&world, &to, departure));
        }
        let due = if under_way.len() < to.max_connections {
            bot.lock().updates.next_due()
        } else {
            None
        };
        tokio::select! {
            () = to.stop.cancelled() => break,
            () = world.stop.cancelled() => break,
            Some(arrival) = under_way.next(), if !under_way.is_empty() => settle(&world, &bot, arrival).await,
            () = &mut woken => {}
            () = sleep_until(due), if due.is_some() => {}
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due.into()).await;
    }
}

async fn send(world: &World, to: &Destination, departure: Departure) -> Arrival {
    let effect = world
        .faults
        .strike(Target::Telegram, DELIVERY, Some(departure.lane))
        .unwrap_or_default();
    if !effect.latency.is_zero() {
        tokio::time::sleep(effect.latency).await;
    }
    let result = post(to, departure.body.clone()).await;
    if effect.duplicate && result.is_ok() {
        // The repetition is what is wanted; how it is answered changes nothing.
        drop(post(to, departure.body.clone()).await);
    }
    Arrival { departure, result }
}

async fn post(to: &Destination, body: Bytes) -> Result<Accepted, Failed> {
    let mut request = to
        .client
        .post(to.url.clone())
        .header("content-type", "application/json")
        .body(body);
    if !to.secret.is_empty() {
        request = request.header("x-telegram-bot-api-secret-token", &to.secret);
    }
    let answer = request.send().await.map_err(|error| Failed {
        status: None,
        retry_after: None,
        error: reason_of(&error),
    })?;
    let status = answer.status();
    let header = |name: &str| {
        answer
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let (request_id, retry_after) = (header("request-id"), header("retry-after"));
    let is_json = header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    let body = answer.bytes().await.unwrap_or_default();
    if status.is_success() {
        let call = (is_json && body.len() > 2 && body.len() <= ANSWER_BYTES_MAX).then_some(body);
        return Ok(Accepted {
            status: status.as_u16(),
            request_id,
            call,
        });
    }
    let words = status.canonical_reason().unwrap_or_default();
    Err(Failed {
        status: Some(status.as_u16()),
        retry_after: retry_after
            .and_then(|seconds| seconds.trim().parse().ok())
            .map(Duration::from_secs),
        error: format!(
            "Wrong response from the webhook: {} {words}",
            status.as_u16()
        ),
    })
}

fn reason_of(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "Read timeout expired".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    format!("Connection failed: {cause}")
}

async fn settle(world: &Arc<World>, bot: &Arc<Bot>, arrival: Arrival) {
    let Departure {
        update_id, lane, ..
    } = arrival.departure;
    match arrival.result {
        Ok(accepted) => {
            bot.lock().updates.accepted(
                update_id,
                accepted.status,
                accepted.request_id,
                Instant::now(),
                now_ms(),
            );
            if let Some(call) = accepted.call {
                run_call(world, bot, &call).await;
            }
        }
        Err(failed) => {
            let refused = Refused {
                status: failed.status,
                retry_after: failed.retry_after,
                error: &failed.error,
                first_delay: Duration::from_millis(world.settings.webhook_retry_first_ms),
            };
            let mut state = bot.lock();
            state
                .updates
                .refused(update_id, &refused, Instant::now(), now_ms());
            state.last_error = Some((now_ms() / 1_000, failed.error.clone()));
        }
    }
    world.changed(bot.id, lane);
}

#[derive(Deserialize)]
struct Call {
    method: String,
}

/// A method call in the answer's body: sending only, and its result is told to nobody, as at Telegram.
async fn run_call(world: &Arc<World>, bot: &Arc<Bot>, body: &[u8]) {
    let Ok(Call { method }) = serde_json::from_slice(body) else {
        return;
    };
    let method = method.to_ascii_lowercase();
    let unwanted = method.starts_with("get")
        || ["setwebhook", "deletewebhook", "close", "logout"].contains(&&*method);
    if unwanted {
        return;
    }
    if let Ok(parameters) = Parameters::from_json(body) {
        drop(methods::call(world, bot, &method, &parameters).await);
    }
}
