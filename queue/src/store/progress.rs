//! Writing down how far long work has come: many at once, and only what changed.

use super::Store;
use crate::error::StoreError;
use crate::fence::storable;
use crate::message::MessageId;

/// How much of a note is kept.
const NOTE_BYTES_MAX: usize = 256;

/// How far a message has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressNote {
    /// Which message.
    pub id: MessageId,
    /// How much is done.
    pub done: u64,
    /// Of how much, if that is known.
    pub of: Option<u64>,
    /// A few words.
    pub note: String,
}

impl Store {
    /// Writes down how far these have come, and forgets those that are over. Worth little: a failure loses nothing else.
    ///
    /// # Errors
    /// The database is away or slow; nothing was written.
    pub async fn note_progress(
        &self,
        notes: &[ProgressNote],
        over: &[MessageId],
    ) -> Result<(), StoreError> {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let ids: Vec<i64> = notes.iter().map(|note| note.id.0).collect();
        let done: Vec<i64> = notes.iter().map(|note| number(note.done)).collect();
        let totals: Vec<Option<i64>> = notes.iter().map(|note| note.of.map(number)).collect();
        let words: Vec<String> = notes
            .iter()
            .map(|note| storable(&note.note, NOTE_BYTES_MAX))
            .collect();
        let over: Vec<i64> = over.iter().map(|id| id.0).collect();
        let pool = self
            .pools
            .settle()
            .map_err(StoreError::pool("note progress"))?;
        let connection = pool
            .get()
            .await
            .map_err(StoreError::pool("note progress"))?;
        connection
            .execute(
                "WITH forgotten AS (DELETE FROM progress WHERE message_id = ANY ($5))
                 INSERT INTO progress (message_id, done, total, note)
                 SELECT * FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::text[])
                 ON CONFLICT (message_id) DO UPDATE
                 SET done = excluded.done, total = excluded.total, note = excluded.note, at = excluded.at",
                &[&ids, &done, &totals, &words, &over],
            )
            .await
            .map_err(StoreError::postgres("note progress"))?;
        Ok(())
    }
}
