//! Streamed answers: which messages on a screen belong to which answer.
//!
//! An answer is one message that grows. Its id is stored as soon as the message exists and before its first edit, so
//! whoever goes on with the answer (a retry, another worker, the answer to an edited question) edits the same message.
//! What is written into it is for `delivery` (beginning and end) and for the previews in between.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sallyport_postgres::{Cached, Pool};
use tokio::sync::Notify;

use crate::delivery::StoreError;
use crate::delivery::outbound::AnswerName;

pub mod preview;

/// How often to look for a message that another worker may have sent.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The answers in this database.
pub struct Answers {
    pool: Pool,
    /// Who in this process waits for an answer's first message.
    waiting: Mutex<HashMap<Spot, Arc<Notify>>>,
}

/// One answer of one chat.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Spot {
    pub(crate) bot: String,
    pub(crate) chat: i64,
    pub(crate) name: AnswerName,
}

impl Answers {
    /// Answers in this database.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self {
            pool,
            waiting: Mutex::new(HashMap::new()),
        }
    }

    /// The messages of an answer, in their order; none when nothing of it is on the screen.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn messages(
        &self,
        bot: &str,
        chat: i64,
        name: &AnswerName,
    ) -> Result<Vec<i32>, StoreError> {
        let connection = self.pool.get().await?;
        let row = connection
            .query_opt_cached(
                "select messages from answers where bot = $1 and chat = $2 and app = $3 and slot = $4",
                &[&bot, &chat.to_string(), &name.app, &name.slot],
            )
            .await?;
        let stored: Vec<i64> = match row {
            Some(row) => row.try_get(0)?,
            None => Vec::new(),
        };
        Ok(stored
            .into_iter()
            .filter_map(|message| i32::try_from(message).ok())
            .collect())
    }

    /// Remembers the messages of an answer and wakes whoever waits for the first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn shown(
        &self,
        bot: &str,
        chat: i64,
        name: &AnswerName,
        messages: &[i32],
    ) -> Result<(), StoreError> {
        let stored: Vec<i64> = messages.iter().copied().map(i64::from).collect();
        let connection = self.pool.get().await?;
        connection
            .execute_cached(
                "insert into answers (bot, chat, app, slot, messages) values ($1, $2, $3, $4, $5)
                 on conflict (bot, chat, app, slot) do update
                    set messages = excluded.messages, touched_at = now()",
                &[&bot, &chat.to_string(), &name.app, &name.slot, &stored],
            )
            .await?;
        let spot = Spot {
            bot: bot.to_owned(),
            chat,
            name: name.clone(),
        };
        if let Some(waiting) = self.waiting.lock().remove(&spot) {
            waiting.notify_waiters();
        }
        Ok(())
    }

    /// Waits until an answer has its first message. Cancel safe.
    pub(crate) async fn first_message(&self, spot: &Spot) -> i32 {
        loop {
            let woken = Arc::clone(self.waiting.lock().entry(spot.clone()).or_default());
            let notified = woken.notified();
            if let Ok(messages) = self.messages(&spot.bot, spot.chat, &spot.name).await
                && let Some(first) = messages.first()
            {
                self.waiting.lock().remove(spot);
                return *first;
            }
            // Another worker may own the chat; then nobody here wakes us.
            let _elapsed = tokio::time::timeout(LOOK_AGAIN, notified).await;
        }
    }
}
