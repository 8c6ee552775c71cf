//! Where webhooks lead, and how the last delivery to each went: the table `webhooks`.

use sallyport_kit::{Effect, LastPosting, Webhook, WebhookName};
use sallyport_postgres::{Cached, Pool};
use sallyport_webhook::Destination;

use crate::delivery::StoreError;

/// Bytes of a salt: as many keys as anybody will ever ask for are different.
const SALT_BYTES: usize = 16;

/// The webhooks of all bots.
#[derive(Clone)]
pub(crate) struct Book(Pool);

/// A webhook, as a send needs it.
pub(super) struct Entry {
    pub(super) url: String,
    pub(super) salt: Vec<u8>,
    /// Whether its receiver still wants something.
    pub(super) is_open: bool,
}

/// A webhook that is to be remembered.
pub(crate) struct NewEntry {
    url: String,
    host: String,
    pub(super) salt: [u8; SALT_BYTES],
}

/// How a delivery went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Taken,
    /// In a word.
    Failed(&'static str),
    /// The receiver wants no more.
    Ended,
}

impl NewEntry {
    pub(super) fn new(url: &str, destination: &Destination) -> Self {
        Self {
            url: url.to_owned(),
            host: destination.host().to_owned(),
            salt: rand::random(),
        }
    }

    /// Remembers it together with the message's end. What was known of an older URL is forgotten.
    pub(crate) fn effect(self, bot: &str, which: WebhookName) -> Effect {
        let bot = bot.to_owned();
        Box::new(move |transaction| {
            Box::pin(async move {
                transaction
                    .execute(
                        "insert into webhooks (bot, chat, name, url, host, salt) values ($1, $2, $3, $4, $5, $6)
                         on conflict (bot, chat, name) do update
                            set url = excluded.url, host = excluded.host, salt = excluded.salt, pointed_at = now(),
                                last_error = null, last_at = null, ended_at = null",
                        &[&bot, &which.chat.0, &which.name, &self.url, &self.host, &self.salt.as_slice()],
                    )
                    .await?;
                Ok(())
            })
        })
    }
}

/// Forgets a webhook together with the message's end.
pub(crate) fn forget(bot: &str, which: WebhookName) -> Effect {
    let bot = bot.to_owned();
    Box::new(move |transaction| {
        Box::pin(async move {
            transaction
                .execute(
                    "delete from webhooks where bot = $1 and chat = $2 and name = $3",
                    &[&bot, &which.chat.0, &which.name],
                )
                .await?;
            Ok(())
        })
    })
}

impl Book {
    pub(crate) fn new(pool: Pool) -> Self {
        Self(pool)
    }

    pub(super) async fn find(
        &self,
        bot: &str,
        which: &WebhookName,
    ) -> Result<Option<Entry>, StoreError> {
        let connection = self.0.get().await?;
        let row = connection
            .query_opt_cached(
                "select url, salt, ended_at is null from webhooks where bot = $1 and chat = $2 and name = $3",
                &[&bot, &which.chat.0, &which.name],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Entry {
            url: row.try_get(0)?,
            salt: row.try_get(1)?,
            is_open: row.try_get(2)?,
        }))
    }

    /// A webhook as people see it.
    pub(crate) async fn seen(
        &self,
        bot: &str,
        which: &WebhookName,
    ) -> Result<Option<Webhook>, StoreError> {
        let connection = self.0.get().await?;
        let row = connection
            .query_opt_cached(
                "select host, last_error, last_at, ended_at from webhooks where bot = $1 and chat = $2 and name = $3",
                &[&bot, &which.chat.0, &which.name],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let last = match (
            row.try_get(3)?,
            row.try_get(2)?,
            row.try_get::<_, Option<String>>(1)?,
        ) {
            (Some(at), _, _) => LastPosting::Ended { at },
            (None, Some(at), Some(why)) if !why.is_empty() => LastPosting::Failed { at, why },
            (None, Some(at), _) => LastPosting::Taken { at },
            (None, None, _) => LastPosting::None,
        };
        Ok(Some(Webhook {
            host: row.try_get(0)?,
            last,
        }))
    }

    /// Remembers how a delivery went, unless the webhook was pointed elsewhere meanwhile.
    pub(super) async fn note(
        &self,
        bot: &str,
        which: &WebhookName,
        entry: &Entry,
        last: Last,
    ) -> Result<(), StoreError> {
        let (error, is_ended) = match last {
            Last::Taken => ("", false),
            Last::Failed(why) => (why, false),
            Last::Ended => ("gone", true),
        };
        let connection = self.0.get().await?;
        connection
            .execute_cached(
                "update webhooks set last_error = $5, last_at = now(), ended_at = case when $6 then now() end
                  where bot = $1 and chat = $2 and name = $3 and salt = $4",
                &[&bot, &which.chat.0, &which.name, &entry.salt, &error, &is_ended],
            )
            .await?;
        Ok(())
    }
}
