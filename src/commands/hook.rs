//! `sallyport hook test NAME`: a request as the provider of a hook would send it, signed, as a `curl` command.
//!
//! It exists so that a hook can be tried before its provider knows of it, and the way to the edge with it. It prints and
//! sends nothing: what is tried out is stored like anything else, so that is left to whoever asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use sallyport_gateway::{BotSettings, HttpService, RouteSettings, Settings, Source};
use serde_json::json;

use crate::cli::{HookArguments, HookCommand, HookTestArguments, Places};
use crate::commands::{body, complain, say};
use crate::places;

pub(crate) fn run(places: &Places, arguments: &HookArguments) -> anyhow::Result<ExitCode> {
    let HookCommand::Test(arguments) = &arguments.what;
    let (settings, _) = places::settings(places)?;
    let hook = find(&settings.gateway.routes, &arguments.name)?;
    let request = Request::new(&hook, arguments, SystemTime::now())?;
    if matches!(hook.source, Source::Telegram | Source::Alertmanager(_)) {
        complain(
            "This command holds the secret itself, as the provider sends it: keep it to yourself.",
        );
    }
    let edge = match &arguments.edge {
        Some(edge) => edge.trim_end_matches('/').to_owned(),
        None => door(&settings.gateway)?,
    };
    say(&request.as_curl(&edge))?;
    Ok(ExitCode::SUCCESS)
}

/// A hook of the settings.
struct Hook<'s> {
    path: String,
    source: &'s Source,
    settings: &'s BotSettings,
}

/// The hook of this name or path.
fn find<'s>(routes: &'s [RouteSettings], name: &str) -> anyhow::Result<Hook<'s>> {
    let hooks = routes.iter().flat_map(hooks_of);
    let mut fitting: Vec<_> = hooks
        .filter(|hook| hook.settings.name == name || hook.path == name)
        .collect();
    let hook = fitting
        .pop()
        .with_context(|| format!("no route has a hook {name:?}"))?;
    if fitting.is_empty() {
        return Ok(hook);
    }
    fitting.push(hook);
    let paths: Vec<_> = fitting.iter().map(|hook| hook.path.as_str()).collect();
    bail!(
        "several hooks have this name; say which: {}",
        paths.join(", ")
    )
}

fn hooks_of(route: &RouteSettings) -> impl Iterator<Item = Hook<'_>> {
    let accept = route.accept.iter();
    accept.flat_map(|accept| {
        accept.bots.iter().filter_map(|bot| {
            let (above, _placeholder) = route.path.rsplit_once('/')?;
            Some(Hook {
                path: format!("{above}/{}", bot.name),
                source: accept.source_of(bot)?,
                settings: bot,
            })
        })
    })
}

/// The door on this machine at which webhooks are taken.
fn door(settings: &Settings) -> anyhow::Result<String> {
    let takes_plain = settings.http_serves == HttpService::Everything;
    let (scheme, address) = match (settings.http.filter(|_| takes_plain), settings.tls) {
        (Some(address), _) => ("http", address),
        (None, Some(address)) => ("https", address),
        (None, None) => bail!("no door takes webhooks"),
    };
    // A door that is open to all addresses of this machine is found at its own.
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let address = SocketAddr::new(ip, address.port());
    Ok(format!("{scheme}://{address}"))
}

/// What would be sent.
struct Request {
    path: String,
    fields: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn new(
        hook: &Hook<'_>,
        arguments: &HookTestArguments,
        now: SystemTime,
    ) -> anyhow::Result<Self> {
        if matches!(hook.source, Source::Discord(_)) {
            bail!(
                "Only Discord has the key that it signs with. Enter the hook's address as Interactions Endpoint URL of the \
                 application: Discord tries it before it saves it, with right and wrong signatures."
            );
        }
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let id = match &arguments.id {
            Some(id) => id.clone(),
            None => format!("sallyport-test-{seconds}"),
        };
        let body = match arguments.body.as_deref() {
            Some(data) => String::from_utf8(body(data)?).context("the body is no text")?,
            None => sample(hook.source, &id, seconds),
        };
        let secret = hook.settings.secrets.first().context("it has no secret")?;
        let signed = hook.source.sign(secret, &id, body.as_bytes(), now)?;
        // Slack alone sends forms, and no form begins with a brace.
        let media_type = match body.trim_start().starts_with('{') {
            true => "application/json",
            false => "application/x-www-form-urlencoded",
        };
        let mut fields = vec![("content-type".to_owned(), media_type.to_owned())];
        for (name, value) in &signed {
            fields.push((name.to_string(), value.to_str()?.to_owned()));
        }
        let path = hook.path.clone();
        Ok(Self { path, fields, body })
    }

    fn as_curl(&self, edge: &str) -> String {
        let url = quoted(&format!("{edge}{}", self.path));
        let mut command = format!("curl --include {url}");
        for (name, value) in &self.fields {
            let field = quoted(&format!("{name}: {value}"));
            command.push_str(&format!(" \\\n  --header {field}"));
        }
        let body = quoted(&self.body);
        command + &format!(" \\\n  --data-raw {body}")
    }
}

/// A small body that the provider could have sent and that causes as little as possible.
fn sample(source: &Source, id: &str, seconds: u64) -> String {
    let sample = match source {
        Source::Telegram => json!({"update_id": seconds}),
        Source::GitHub => json!({"zen": "Half measures are as bad as nothing at all."}),
        Source::Slack => json!({"type": "event_callback", "event_id": id}),
        Source::Stripe(_) => json!({"id": id, "type": "ping"}),
        Source::PagerDuty => json!({"event": {"id": id, "event_type": "pagey.ping"}}),
        Source::Alertmanager(_) => json!({"groupKey": id, "status": "resolved", "alerts": []}),
        Source::Discord(_) | Source::StandardWebhooks(_) | Source::Hmac(_) => {
            json!({"type": "test", "id": id})
        }
    };
    sample.to_string()
}

/// As a shell reads it back unchanged.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests;
