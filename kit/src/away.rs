//! Messages that came too late, and the one message that a chat gets about an absence.
//!
//! A trigger says how late it may still run. What is later is kept for a day, and the chat is asked once what to do with it:
//! answer the last one, all, or none. What is chosen runs again as a task of its own, without being late any more.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    Context, Failure, Incoming, MessageRef, Outcome, Reply, ReplyButton, Role, trigger::Ended,
};

/// The button below an absence.
pub(crate) const BUTTON: &str = "kit.away";

/// The task that runs a message again.
pub(crate) const AGAIN: &str = "again";

/// Late messages within this long of the last word about an absence belong to the same one.
const SAME_ABSENCE: Duration = Duration::from_secs(60 * 60);

/// Late messages are kept for a day.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// How many late messages of a chat "all" answers, the newest ones.
const ALL_MAX: i64 = 50;

/// Which late messages to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Choice {
    Last,
    All,
    None,
}

/// Keeps a late message, and tells its chat about the absence if it was not told yet.
pub(crate) async fn note(context: &Context) -> Ended {
    if !was_told(context).await? {
        tell(context);
    }
    keep(context)?;
    Ok(Outcome::Expired)
}

/// Answers what was chosen. A second press finds nothing left and says so.
pub(crate) async fn choose(context: &Context, payload: &serde_json::Value) -> Ended {
    let limit = match serde_json::from_value(payload.clone())? {
        Choice::Last => 1,
        Choice::All => ALL_MAX,
        Choice::None => 0,
    };
    let late = newest(context, limit).await?;
    for incoming in &late {
        context.again(incoming, Duration::ZERO)?;
    }
    forget(context);
    let count = u64::try_from(late.len()).unwrap_or(u64::MAX);
    let said = Reply::plain(context.text("away-chosen", &[("count", count.into())]));
    match context.message().cloned() {
        Some(message) => context.replace(message, said),
        None => context.reply(said),
    }
    Ok(Outcome::Done)
}

fn tell(context: &Context) {
    let times = [
        ("from", clock(context.incoming().at).into()),
        ("until", clock(context.now()).into()),
    ];
    let button = |label: &str, choice: Choice| {
        let payload = serde_json::to_value(choice).unwrap_or_default();
        ReplyButton::new(context.text(label, &[]), BUTTON, payload)
            .for_role(Role::Member)
            .expiring_in(KEPT_FOR)
    };
    let reply = Reply::plain(context.text("away", &times))
        .row([button("away-last", Choice::Last)])
        .row([
            button("away-all", Choice::All),
            button("away-none", Choice::None),
        ]);
    context.reply(reply);
}

/// A time of day, as the texts about absences and limits show it.
pub(crate) fn clock(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string()
}

async fn was_told(context: &Context) -> Result<bool, Failure> {
    let since = context
        .now()
        .checked_sub(SAME_ABSENCE)
        .unwrap_or(Timestamp::MIN);
    let select = "SELECT 1 FROM kit.absences WHERE bot = $1 AND chat = $2 AND told_at > $3";
    let tables = context.read().await?;
    let row = tables
        .query_opt(select, &[&context.us().bot, &context.chat().id.0, &since])
        .await?;
    Ok(row.is_some())
}

fn keep(context: &Context) -> Result<(), Failure> {
    let (bot, chat, now) = (
        context.us().bot.clone(),
        context.chat().id.0.clone(),
        context.now(),
    );
    let Some(MessageRef(message)) = context.message().cloned() else {
        return Ok(());
    };
    let said = serde_json::to_vec(context.incoming())?;
    let at = context.incoming().at;
    let stale = now.checked_sub(KEPT_FOR).unwrap_or(Timestamp::MIN);
    context.remember(move |tables| {
        Box::pin(async move {
            let told = "INSERT INTO kit.absences (bot, chat, told_at) VALUES ($1, $2, $3)
                        ON CONFLICT (bot, chat) DO UPDATE SET told_at = excluded.told_at";
            tables.execute(told, &[&bot, &chat, &now]).await?;
            let keep = "INSERT INTO kit.late (bot, chat, message, said, said_at, noted_at)
                        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
            tables
                .execute(keep, &[&bot, &chat, &message, &said, &at, &now])
                .await?;
            tables
                .execute("DELETE FROM kit.late WHERE noted_at < $1", &[&stale])
                .await?;
            Ok(())
        })
    });
    Ok(())
}

/// The newest late messages of the chat, the oldest of them first.
async fn newest(context: &Context, limit: i64) -> Result<Vec<Incoming>, Failure> {
    let select = "SELECT said FROM kit.late WHERE bot = $1 AND chat = $2 ORDER BY said_at DESC, message DESC LIMIT $3";
    let tables = context.read().await?;
    let rows = tables
        .query(select, &[&context.us().bot, &context.chat().id.0, &limit])
        .await?;
    let read = |row: &tokio_postgres::Row| -> Result<Incoming, Failure> {
        Ok(serde_json::from_slice(row.try_get::<_, &[u8]>("said")?)?)
    };
    rows.iter().rev().map(read).collect()
}

fn forget(context: &Context) {
    let (bot, chat) = (context.us().bot.clone(), context.chat().id.0.clone());
    context.remember(move |tables| {
        Box::pin(async move {
            tables
                .execute(
                    "DELETE FROM kit.late WHERE bot = $1 AND chat = $2",
                    &[&bot, &chat],
                )
                .await?;
            Ok(())
        })
    });
}

#[cfg(test)]
mod tests;
