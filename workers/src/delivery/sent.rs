//! What delivery remembers in the database: parts that are out, sends of which nobody knows, chats that are closed.

use sallyport_postgres::{Cached, Pool};
use sallyport_queue::{Effects, MessageId};

use super::screen::StoreError;

/// The parts of long texts that have been sent.
#[derive(Clone)]
pub struct SentParts {
    pool: Pool,
}

impl SentParts {
    /// Parts in this database.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// The provider's ids of the parts that are out, in their order, without a gap.
    pub(super) async fn of(&self, send: MessageId) -> Result<Vec<i32>, StoreError> {
        let connection = self.pool.get().await?;
        let rows = connection
            .query_cached(
                "select message from sent_parts where send = $1 order by part",
                &[&send.0],
            )
            .await?;
        let mut parts = Vec::with_capacity(rows.len());
        for row in rows {
            let message: i64 = row.try_get(0)?;
            parts.push(i32::try_from(message).unwrap_or_default());
        }
        Ok(parts)
    }

    /// Remembers that a part is out.
    pub(super) async fn remember(
        &self,
        send: MessageId,
        part: usize,
        message: i32,
    ) -> Result<(), StoreError> {
        let part = i16::try_from(part).unwrap_or(i16::MAX);
        let connection = self.pool.get().await?;
        connection
            .execute_cached(
                "insert into sent_parts (send, part, message) values ($1, $2, $3)
                 on conflict (send, part) do update set message = excluded.message, sent_at = now()",
                &[&send.0, &part, &i64::from(message)],
            )
            .await?;
        Ok(())
    }

    /// Records that a send may have arrived although it is going to be repeated.
    pub(super) async fn note_ambiguous(
        &self,
        send: MessageId,
        attempt: u16,
        reason: &str,
    ) -> Result<(), StoreError> {
        let attempt = i16::try_from(attempt).unwrap_or(i16::MAX);
        let connection = self.pool.get().await?;
        connection
            .execute_cached(
                "insert into ambiguous (message_id, attempt, reason) values ($1, $2, $3)",
                &[&send.0, &attempt, &reason],
            )
            .await?;
        Ok(())
    }
}

/// Remembers, together with the message's end, that nothing can be sent to a chat until somebody writes there.
pub(super) fn chat_is_unreachable(bot: &str, chat: i64) -> Effects {
    let (bot, chat) = (bot.to_owned(), chat.to_string());
    Box::new(move |transaction| {
        Box::pin(async move {
            transaction
                .execute(
                    "update chats set unreachable_since = coalesce(unreachable_since, now())
                      where bot = $1 and chat = $2",
                    &[&bot, &chat],
                )
                .await?;
            Ok(())
        })
    })
}
