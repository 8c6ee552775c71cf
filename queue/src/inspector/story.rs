//! Everything the rows know about the messages of one trace.
//!
//! Several short questions, asked at once over one connection, and put together here: each table answers for its own
//! part, and none of them has to be joined with the large log.

use std::collections::HashMap;

use sallyport_telemetry::trace::TraceId;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{AmbiguousMark, AttemptStory, Inspector, MessageStory, State};
use crate::error::StoreError;
use crate::message::MessageId;
use crate::partition::Key;
use crate::rows;
use crate::settlement::Outcome;

/// How many messages one story may have; more are left out, the newest first.
const MESSAGES_MAX: i64 = 500;

impl Inspector {
    /// All messages of this trace, oldest first; empty when nothing is known of it. The text of messages is left out.
    ///
    /// # Errors
    /// The database is away or slow.
    pub async fn by_trace(&self, trace: TraceId) -> Result<Vec<MessageStory>, StoreError> {
        let failed = || StoreError::postgres("tell a story");
        let connection = self
            .pools
            .read()
            .get()
            .await
            .map_err(StoreError::pool("tell a story"))?;
        let trace = &trace.as_bytes();
        let messages = connection
            .query(include_str!("messages.sql"), &[trace, &MESSAGES_MAX])
            .await
            .map_err(failed())?;
        let ids: Vec<i64> = messages.iter().map(|row| row.get("id")).collect();
        let partitions: Vec<i16> = messages.iter().map(|row| row.get("partition")).collect();
        let priorities: Vec<i16> = messages.iter().map(|row| row.get("priority")).collect();
        let places: [&(dyn ToSql + Sync); 3] = [&partitions, &priorities, &ids];
        let of_ids: [&(dyn ToSql + Sync); 1] = [&ids];
        let causes: Vec<i64> = messages.iter().filter_map(|row| row.get("cause")).collect();
        let of_ids_and_causes: [&(dyn ToSql + Sync); 2] = [&ids, &causes];
        let (waiting, ended, tried, running, ambiguous, replays) = tokio::try_join!(
            connection.query(include_str!("unfinished.sql"), &places),
            connection.query(
                "SELECT * FROM endings WHERE message_id = ANY ($1) ORDER BY ended_at",
                &of_ids
            ),
            connection.query(
                "SELECT * FROM attempts WHERE message_id = ANY ($1) ORDER BY ended_at",
                &of_ids
            ),
            connection.query(include_str!("in_hand.sql"), &of_ids),
            connection.query(
                "SELECT * FROM ambiguous WHERE message_id = ANY ($1) ORDER BY at",
                &of_ids
            ),
            connection.query(include_str!("replays.sql"), &of_ids_and_causes),
        )
        .map_err(failed())?;

        let mut stories: Vec<MessageStory> = messages
            .iter()
            .map(told_by_the_log)
            .collect::<Result<_, _>>()?;
        let places: HashMap<i64, usize> = ids
            .iter()
            .enumerate()
            .map(|(place, id)| (*id, place))
            .collect();
        let mut tell = |rows: &[Row], id: &str, add: fn(&mut MessageStory, &Row)| {
            for row in rows {
                let place = places.get(&row.get::<_, i64>(id));
                if let Some(story) = place.and_then(|place| stories.get_mut(*place)) {
                    add(story, row);
                }
            }
        };
        tell(&waiting, "id", add_place_in_the_queue);
        tell(&tried, "message_id", add_attempt);
        tell(&running, "id", add_running_attempt);
        tell(&ended, "message_id", add_ending);
        tell(&ambiguous, "message_id", add_ambiguous_mark);
        tell(&replays, "id", add_replay);
        tell(&replays, "replayed_as", add_dead_letter);
        Ok(stories)
    }
}

fn told_by_the_log(row: &Row) -> Result<MessageStory, StoreError> {
    Ok(MessageStory {
        id: MessageId(row.get("id")),
        kind: row.get("kind"),
        bot: row.get("bot"),
        tenant: row.get("tenant"),
        source: row.get("source"),
        delivery_id: row.get("delivery_id"),
        key: Key::new(row.get("key")),
        partition: rows::partition(row, "messages")?,
        priority: rows::priority(row, "messages")?,
        cause: row.get::<_, Option<i64>>("cause").map(MessageId),
        replay_of: None,
        replayed_as: None,
        subject: row.get("subject"),
        trace: rows::trace(row, "messages")?,
        payload_bytes: rows::count(row.get("payload_bytes")),
        accepted_at: row.get("accepted_at"),
        expires_at: row.get("expires_at"),
        state: State::Unknown,
        ready_at: None,
        ended_at: None,
        attempts: Vec::new(),
        ambiguous: Vec::new(),
    })
}

fn add_place_in_the_queue(story: &mut MessageStory, row: &Row) {
    let is_delayed = row.get::<_, i16>("state") == 1;
    story.ready_at = Some(row.get("ready_at"));
    story.state = match (is_delayed, row.get("is_held")) {
        (true, _) => State::Delayed,
        (false, true) => State::Held,
        (false, false) => State::Ready,
    };
}

fn add_running_attempt(story: &mut MessageStory, row: &Row) {
    if !matches!(story.state, State::Ready | State::Held) {
        return;
    }
    story.state = State::Running;
    story.attempts.push(AttemptStory {
        attempt: rows::small(row.get("attempts")).saturating_add(1),
        outcome: "running".to_owned(),
        error_kind: None,
        error_text: None,
        started_at: row.get("claimed_at"),
        ended_at: None,
        worker: row.get("worker"),
    });
}

fn add_attempt(story: &mut MessageStory, row: &Row) {
    story.attempts.push(AttemptStory {
        attempt: rows::small(row.get("attempt")),
        outcome: row.get("outcome"),
        error_kind: row.get("error_kind"),
        error_text: row.get("error_text"),
        started_at: row.get("started_at"),
        ended_at: row.get("ended_at"),
        worker: row.get("worker"),
    });
}

fn add_ending(story: &mut MessageStory, row: &Row) {
    add_attempt(story, row);
    story.ended_at = row.get("ended_at");
    story.ready_at = None;
    story.state = Outcome::from_word(row.get("outcome")).map_or(State::Unknown, State::Ended);
}

fn add_replay(story: &mut MessageStory, row: &Row) {
    story.replayed_as = Some(MessageId(row.get("replayed_as")));
}

fn add_dead_letter(story: &mut MessageStory, row: &Row) {
    story.replay_of = Some(MessageId(row.get("id")));
}

fn add_ambiguous_mark(story: &mut MessageStory, row: &Row) {
    story.ambiguous.push(AmbiguousMark {
        attempt: rows::small(row.get("attempt")),
        at: row.get("at"),
        reason: row.get("reason"),
    });
}
