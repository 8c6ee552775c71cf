//! Fits the settings to one machine: which model answers, what the development certificate means for a webhook, and the bot of a real token.
//!
//! Only `run` does this. A fleet is told everything.

use sallyport_kit::Role;
use sallyport_security::Secret;
use sallyport_workers::{BotSettings, DEFAULT_TENANT, Receive};

use crate::cli::{Places, RunArguments};
use crate::dev_certificates;
use crate::places;
use crate::settings::Settings;

/// The variable that adds a real bot.
const TOKEN_VARIABLE: &str = "TELEGRAM_BOT_TOKEN";
/// The house's name for that bot.
const REAL_BOT: &str = "telegram";
/// The host whose chats are real.
const TELEGRAM_HOST: &str = "api.telegram.org";

/// Completes the settings. Returns the words for which model answers.
pub(super) fn fit(
    settings: &mut Settings,
    places: &Places,
    arguments: &RunArguments,
) -> anyhow::Result<String> {
    if let Some(token) = places::environment(places)?.get(TOKEN_VARIABLE) {
        settings
            .apps
            .chat
            .bots
            .push(real_bot(&token, arguments.take_over));
    }
    trust_development_certificate(settings, places)?;
    choose_model(settings)
}

/// Polls, because a laptop has no public address; lets nobody in until its owner does.
fn real_bot(token: &str, take_over: bool) -> BotSettings {
    BotSettings {
        name: REAL_BOT.to_owned(),
        tenant: DEFAULT_TENANT.to_owned(),
        app: "hub".to_owned(),
        token: Secret::new(token),
        telegram: Default::default(),
        receive: Receive::Polling { take_over },
        newcomers: Role::Guest,
        pacing: Default::default(),
        model: true,
    }
}

/// A webhook that points at a development certificate has to upload its authority, or nobody would trust it.
fn trust_development_certificate(settings: &mut Settings, places: &Places) -> anyhow::Result<()> {
    if !settings.gateway.shows_development_certificate() {
        return Ok(());
    }
    let development = dev_certificates::ensure(&places.data)?;
    for bot in &mut settings.apps.chat.bots {
        if let Receive::Webhook { certificate, .. } = &mut bot.receive {
            certificate.get_or_insert_with(|| development.authority.clone());
        }
    }
    Ok(())
}

/// Without a key the playground's stand-in answers, and never where a chat is real.
fn choose_model(settings: &mut Settings) -> anyhow::Result<String> {
    if !settings.apps.model.api_key.is_empty() {
        return Ok(settings.apps.model.base_url.to_string());
    }
    let playground = settings.testing.playground.listen;
    settings.apps.model.base_url = format!("http://{playground}/openai/v1").parse()?;
    settings.apps.model.api_key = Secret::new("playground");
    for bot in &mut settings.apps.chat.bots {
        bot.model = bot.telegram.base_url.host_str() != Some(TELEGRAM_HOST);
    }
    Ok("the playground's stand-in, for the playground's bots only".to_owned())
}
