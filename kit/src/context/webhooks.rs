//! The verbs of a context for webhooks: each chat has its own of each name.

use serde::Serialize;

use super::Context;
use crate::{Failure, NewWebhook, Posting, Webhook, WebhookName, WebhookProblem};

impl Context {
    /// Tells this chat's webhook of this name what happened; `kind` is a few words with dots between them, such as
    /// `digest.daily`. Sent in the order in which it was posted, again until it is taken, for about a day.
    ///
    /// # Errors
    /// A lasting failure when the data cannot be written as JSON.
    pub fn post(&self, name: &str, kind: &str, data: &impl Serialize) -> Result<(), Failure> {
        self.services.post(Posting {
            to: self.webhook_name(name),
            kind: kind.to_owned(),
            data: serde_json::to_value(data)?,
        });
        Ok(())
    }

    /// Points this chat's webhook of this name at a URL. Its key is new each time and cannot be shown again.
    ///
    /// # Errors
    /// When the URL is not one that may be called; then everything stays as it was.
    pub fn point_webhook(&self, name: &str, url: &str) -> Result<NewWebhook, WebhookProblem> {
        self.services.point_webhook(self.webhook_name(name), url)
    }

    /// Forgets this chat's webhook of this name. What waits for it is not sent any more.
    pub fn forget_webhook(&self, name: &str) {
        self.services.forget_webhook(self.webhook_name(name));
    }

    /// This chat's webhook of this name, if there is one.
    ///
    /// # Errors
    /// A passing failure when it cannot be looked up.
    pub async fn webhook(&self, name: &str) -> Result<Option<Webhook>, Failure> {
        self.services.webhook(&self.webhook_name(name)).await
    }

    fn webhook_name(&self, name: &str) -> WebhookName {
        WebhookName {
            chat: self.chat().id.clone(),
            name: format!("{}.{name}", self.shell.name),
        }
    }
}
