//! Who the bot is, how its updates reach us, and what its menus show.

use std::time::Duration;

use frankenstein::methods::{
    DeleteWebhookParams, GetUpdatesParams, SetMyCommandsParams, SetMyDescriptionParams,
    SetMyShortDescriptionParams,
};
use frankenstein::types::{AllowedUpdate, BotCommand, BotCommandScope, User};
use frankenstein::updates::WebhookInfo;
use reqwest::multipart::{Form, Part};
use sallyport_security::Secret;
use serde_json::value::RawValue;

use super::{BotApi, Whatever};
use crate::error::CallError;

/// The kinds of updates that we want. Told to Telegram every time, since an omitted list keeps the previous one.
const WANTED: &[AllowedUpdate] = &[
    AllowedUpdate::Message,
    AllowedUpdate::EditedMessage,
    AllowedUpdate::ChannelPost,
    AllowedUpdate::EditedChannelPost,
    AllowedUpdate::CallbackQuery,
    AllowedUpdate::InlineQuery,
    AllowedUpdate::PreCheckoutQuery,
    AllowedUpdate::MyChatMember,
];
/// Telegram's own limit for one batch.
const UPDATES_PER_POLL: u32 = 100;
/// How much longer than the long poll itself its answer may take.
const POLL_ANSWER_GRACE: Duration = Duration::from_secs(10);
/// Parallel webhook connections we ask for: Telegram's maximum, since each waits for a commit.
const WEBHOOK_CONNECTIONS: &str = "100";

/// The parameters of a method that takes none. An empty object, because `null` is not one.
#[derive(serde::Serialize)]
struct Nothing {}

impl BotApi {
    /// Who the bot is. The cheapest call there is, so also the check whether Telegram is there.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn me(&self) -> Result<User, CallError> {
        self.call("getMe", &Nothing {}).await
    }

    /// Whether and where a webhook is set, and how many updates wait.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn webhook(&self) -> Result<WebhookInfo, CallError> {
        self.call("getWebhookInfo", &Nothing {}).await
    }

    /// Asks Telegram to deliver updates to `url` with `secret` in the header. What waits stays.
    ///
    /// `certificate` is a PEM file's content, for a webhook whose certificate Telegram cannot know by itself.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn set_webhook(
        &self,
        url: &str,
        secret: &Secret,
        certificate: Option<Vec<u8>>,
    ) -> Result<(), CallError> {
        let wanted = serde_json::to_string(WANTED).unwrap_or_default();
        let mut form = Form::new()
            .text("url", url.to_owned())
            .text("secret_token", secret.expose().to_owned())
            .text("max_connections", WEBHOOK_CONNECTIONS)
            .text("allowed_updates", wanted);
        if let Some(pem) = certificate {
            form = form.part("certificate", Part::bytes(pem).file_name("webhook.pem"));
        }
        let request = self.http.post(self.url_of("setWebhook")).multipart(form);
        self.observed("setWebhook", request)
            .await
            .map(|_: Whatever| ())
    }

    /// Stops deliveries to the webhook. What waits stays.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn delete_webhook(&self) -> Result<(), CallError> {
        let params = DeleteWebhookParams::builder()
            .drop_pending_updates(false)
            .build();
        self.call("deleteWebhook", &params)
            .await
            .map(|_: Whatever| ())
    }

    /// Waits for updates from `offset` on, at most for the configured long poll. Updates below `offset` are confirmed
    /// by this call and never come again, so they must be stored before.
    ///
    /// # Errors
    /// See [`CallError`]. Dropping the future confirms nothing beyond `offset`.
    pub async fn updates(&self, offset: Option<i64>) -> Result<Vec<Box<RawValue>>, CallError> {
        let params = GetUpdatesParams::builder()
            .maybe_offset(offset)
            .limit(UPDATES_PER_POLL)
            .timeout(self.poll_timeout_seconds)
            .allowed_updates(WANTED.to_vec())
            .build();
        let held = Duration::from_secs(self.poll_timeout_seconds.into());
        let request = self
            .http
            .post(self.url_of("getUpdates"))
            .timeout(self.request_timeout.max(held + POLL_ANSWER_GRACE))
            .json(&params);
        Self::exchange("getUpdates", request).await
    }

    /// Sets the command menu for one audience and language; no language means everybody else's.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn set_commands(
        &self,
        commands: Vec<BotCommand>,
        scope: BotCommandScope,
        language: Option<&str>,
    ) -> Result<(), CallError> {
        let params = SetMyCommandsParams::builder()
            .commands(commands)
            .scope(scope)
            .maybe_language_code(language.map(str::to_owned))
            .build();
        self.call("setMyCommands", &params)
            .await
            .map(|_: Whatever| ())
    }

    /// Sets what an empty chat with the bot shows.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn set_description(
        &self,
        description: &str,
        language: Option<&str>,
    ) -> Result<(), CallError> {
        let params = SetMyDescriptionParams::builder()
            .description(description)
            .maybe_language_code(language.map(str::to_owned))
            .build();
        self.call("setMyDescription", &params)
            .await
            .map(|_: Whatever| ())
    }

    /// Sets the line on the bot's profile page.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn set_short_description(
        &self,
        description: &str,
        language: Option<&str>,
    ) -> Result<(), CallError> {
        let params = SetMyShortDescriptionParams::builder()
            .short_description(description)
            .maybe_language_code(language.map(str::to_owned))
            .build();
        self.call("setMyShortDescription", &params)
            .await
            .map(|_: Whatever| ())
    }
}
