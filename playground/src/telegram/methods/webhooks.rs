//! `setWebhook`, `deleteWebhook`, `getWebhookInfo`: the rules of Telegram, except that an address of this machine is accepted.

use std::{net::IpAddr, sync::Arc, time::Instant};

use tokio_util::sync::CancellationToken;
use url::{Host, Url};

use super::super::{
    answer::{Outcome, Refusal, Success},
    bot::{Bot, State},
    parameters::Parameters,
    webhook::{Destination, Webhook, client, deliver},
    wire::WebhookInfo,
};
use crate::{
    settings::{Limits, PlaygroundSettings, WebhookPorts},
    world::World,
};

const CONNECTIONS_DEFAULT: i64 = 40;
/// The cloud's cap and that of a self-hosted server.
const CONNECTIONS_MAX: (i64, i64) = (100, 100_000);
const SECRET_BYTES_MAX: usize = 256;
const CERTIFICATE_BYTES_MAX: usize = 3 * 1024 * 1024;
const PORTS: [u16; 4] = [443, 80, 88, 8443];

pub(super) fn set(world: &Arc<World>, bot: &Arc<Bot>, given: &Parameters) -> Outcome {
    let address = given.text("url").trim();
    if address.is_empty() {
        return delete(bot, given);
    }
    let url = checked_url(address, &world.settings)?;
    let secret = checked_secret(given.text("secret_token"))?;
    let certificate = given.file("certificate");
    if let Some(size) = certificate
        .map(|pem| pem.len())
        .filter(|size| *size > CERTIFICATE_BYTES_MAX)
    {
        return Err(Refusal::bad_request(&format!(
            "Certificate size is too big ({size} bytes)"
        )));
    }
    let mut trusted: Vec<Vec<u8>> = certificate.iter().map(|pem| pem.to_vec()).collect();
    trusted.extend(
        world
            .settings
            .trusted_certificate
            .as_ref()
            .and_then(|path| std::fs::read(path).ok()),
    );
    let client =
        client(&trusted).map_err(|error| Refusal::bad_request(&format!("Bad webhook: {error}")))?;
    let allowed: Option<Vec<String>> =
        given.json("allowed_updates", "can't parse allowed_updates")?;
    let most = if world.settings.limits == Limits::Cloud {
        CONNECTIONS_MAX.0
    } else {
        CONNECTIONS_MAX.1
    };
    let max_connections = given
        .integer("max_connections")
        .unwrap_or(CONNECTIONS_DEFAULT)
        .clamp(1, most);
    let max_connections = usize::try_from(max_connections).unwrap_or(1);

    let stop = CancellationToken::new();
    let destination = Destination {
        url: url.clone(),
        secret: secret.clone(),
        max_connections,
        client,
        stop: stop.clone(),
    };
    let webhook = Webhook {
        url: address.to_owned(),
        has_certificate: certificate.is_some(),
        max_connections,
        ip_address: ip_address(&url, given.text("ip_address")),
        secret,
        stop,
    };
    let same = install(bot, webhook, allowed, given);
    if let Some(description) = same {
        return Success::yes_because(description);
    }
    world
        .tasks
        .spawn(deliver(Arc::clone(world), Arc::clone(bot), destination));
    bot.wake();
    Success::yes_because("Webhook was set")
}

/// Puts the webhook in place of the old one; says so when it is the same and nothing needs to be done.
fn install(
    bot: &Bot,
    new: Webhook,
    allowed: Option<Vec<String>>,
    given: &Parameters,
) -> Option<&'static str> {
    let mut state = bot.lock();
    let drop_pending = given.boolean("drop_pending_updates");
    let same = state.webhook.as_ref().is_some_and(|old| {
        old.url == new.url
            && !old.has_certificate
            && !new.has_certificate
            && old.max_connections == new.max_connections
            && old.secret == new.secret
    });
    if allowed.is_some() {
        state.updates.allowed = allowed;
    }
    if same && !drop_pending {
        return Some("Webhook is already set");
    }
    remove(&mut state, drop_pending);
    state.webhook = Some(new);
    None
}

pub(super) fn delete(bot: &Bot, given: &Parameters) -> Outcome {
    let mut state = bot.lock();
    let was_set = state.webhook.is_some();
    remove(&mut state, given.boolean("drop_pending_updates"));
    drop(state);
    bot.wake();
    Success::yes_because(if was_set {
        "Webhook was deleted"
    } else {
        "Webhook is already deleted"
    })
}

fn remove(state: &mut State, drop_pending: bool) {
    if let Some(old) = state.webhook.take() {
        old.stop.cancel();
    }
    state.last_error = None;
    if drop_pending {
        state.updates.drop_all();
    }
    state.updates.recall(Instant::now());
}

pub(super) fn info(bot: &Bot) -> Outcome {
    let state = bot.lock();
    let webhook = state.webhook.as_ref();
    Success::of(&WebhookInfo {
        url: webhook.map_or("", |webhook| &webhook.url),
        has_custom_certificate: webhook.is_some_and(|webhook| webhook.has_certificate),
        pending_update_count: state.updates.len(),
        last_error_date: state.last_error.as_ref().map(|(at, _)| *at),
        last_error_message: state
            .last_error
            .as_ref()
            .map(|(_, message)| message.as_str()),
        max_connections: webhook.map(|webhook| webhook.max_connections),
        ip_address: webhook.and_then(|webhook| webhook.ip_address.as_deref()),
        allowed_updates: state.updates.allowed.as_deref(),
    })
}

fn checked_url(address: &str, settings: &PlaygroundSettings) -> Result<Url, Refusal> {
    let bad = |reason: &str| Refusal::new(400, format!("Bad Request: bad webhook: {reason}"));
    let with_scheme = if address.contains("://") {
        address.to_owned()
    } else {
        format!("https://{address}")
    };
    let url = Url::parse(&with_scheme)
        .map_err(|_| Refusal::bad_request("Invalid webhook URL specified"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refusal::bad_request("Invalid webhook URL specified"));
    }
    if settings.limits == Limits::OwnServer {
        return Ok(url);
    }
    if url.scheme() != "https" {
        return Err(bad("An HTTPS URL must be provided for webhook"));
    }
    let usual = url
        .port_or_known_default()
        .is_some_and(|port| PORTS.contains(&port));
    if !usual && settings.webhook_ports == WebhookPorts::Telegram {
        return Err(bad(
            "Webhook can be set up only on ports 80, 88, 443 or 8443",
        ));
    }
    match url.host() {
        Some(Host::Ipv6(_)) => Err(bad("IPv6-only addresses are not allowed")),
        Some(Host::Domain(_) | Host::Ipv4(_)) => Ok(url),
        None => Err(Refusal::bad_request("Invalid webhook URL specified")),
    }
}

fn checked_secret(secret: &str) -> Result<String, Refusal> {
    if secret.len() > SECRET_BYTES_MAX {
        return Err(Refusal::bad_request("Secret token is too long"));
    }
    if !secret
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    {
        return Err(Refusal::bad_request(
            "Secret token contains unallowed characters",
        ));
    }
    Ok(secret.to_owned())
}

fn ip_address(url: &Url, given: &str) -> Option<String> {
    if let Ok(address) = given.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    match url.host() {
        Some(Host::Ipv4(address)) => Some(address.to_string()),
        Some(Host::Domain("localhost")) => Some("127.0.0.1".to_owned()),
        Some(Host::Domain(_) | Host::Ipv6(_)) | None => Some("<unknown>".to_owned()),
    }
}
