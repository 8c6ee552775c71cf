//! Stories and dead letters in the kit's words: fewer of them, for a phone.

use std::time::Duration;

use sallyport_kit::{DeadGroup, GroupRef, Story, StoryRow, StoryState};

use crate::story::{RowStatus, Standing, Story as Told};

/// A story for a chat.
pub(super) fn retold(story: &Told) -> Story {
    let rows = story.rows.iter().map(|row| StoryRow {
        depth: row.depth,
        name: row.name.clone(),
        took: row.duration_ms.map(milliseconds),
        failed: row.status == RowStatus::Error,
    });
    Story {
        code: story.code.to_string(),
        trace_id: story.trace_id.to_string(),
        state: state(story.outcome),
        began: story.started_at,
        took: story.finished.then(|| milliseconds(story.duration_ms)),
        // Of the message that needed most: the answer is a message of its own, and so is a replay.
        attempts: story
            .messages
            .iter()
            .map(|message| u16::try_from(message.attempts).unwrap_or(u16::MAX))
            .max()
            .unwrap_or(0),
        rows: rows.collect(),
        last_error: story.rows.iter().rev().find_map(|row| row.error.clone()),
        can_replay: !story.dead_messages().is_empty(),
    }
}

/// A group of dead letters for a chat.
pub(super) fn dead_group(group: sallyport_queue::DeadGroup) -> DeadGroup {
    DeadGroup {
        group: GroupRef {
            kind: group.kind,
            error_kind: group.error_kind,
        },
        error: group.newest_text,
        count: group.count,
        people: group.people,
        first: group.first_at,
        last: group.last_at,
        newest_code: group.newest_trace.trace_id.support_code().to_string(),
    }
}

fn milliseconds(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1_000.0).unwrap_or_default()
}

fn state(standing: Standing) -> StoryState {
    match standing {
        Standing::Done | Standing::Ok | Standing::Unknown => StoryState::Done,
        Standing::Ready | Standing::Delayed | Standing::Held | Standing::Open => {
            StoryState::Waiting
        }
        Standing::Running => StoryState::Running,
        Standing::Dead | Standing::Error | Standing::Refused => StoryState::Dead,
        Standing::Cancelled => StoryState::Cancelled,
        Standing::Expired => StoryState::Expired,
        Standing::Ignored => StoryState::Ignored,
        Standing::Erased => StoryState::Erased,
    }
}
