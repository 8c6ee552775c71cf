//! The hub's tables, as plain functions over a transaction or a connection for reading.
//!
//! One table: questions, under the messages that asked them, with their answers. It is the model's memory of a chat, and it
//! knows which version of an edited question is answered. Rows live for a day.

use std::time::Duration;

use sallyport_kit::{Failure, Migration, Speaker, Timestamp, Turn};
use tokio_postgres::{GenericClient, Row};

/// The hub's tables.
pub(crate) const TABLES: &[Migration] = &[Migration {
    version: 1,
    name: "questions",
    sql: include_str!("tables/V1.sql"),
}];

/// Questions are kept for a day: longer than any edit or retry of them may come.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Which question: the message that asked it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QuestionKey {
    pub(crate) bot: String,
    pub(crate) chat: String,
    pub(crate) message: String,
}

/// A question as it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) person: i64,
    pub(crate) words: String,
    /// The message it is about.
    pub(crate) about: Option<String>,
    pub(crate) at: Timestamp,
}

/// A question that waits for its answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Open {
    pub(crate) words: String,
    pub(crate) about: Option<String>,
    pub(crate) version: i32,
    /// What was said in the chat before, oldest first.
    pub(crate) turns: Vec<Turn>,
}

/// Keeps a question, and lets go of those of yesterday.
pub(crate) async fn ask(
    tables: &impl GenericClient,
    key: &QuestionKey,
    asked: &Asked,
) -> Result<(), Failure> {
    let insert = "INSERT INTO hub.questions (bot, chat, message, person, words, about, asked_at)
                  VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
    let (words, about) = (storable(&asked.words), asked.about.as_deref().map(storable));
    tables
        .execute(
            insert,
            &[
                &key.bot,
                &key.chat,
                &key.message,
                &asked.person,
                &words,
                &about,
                &asked.at,
            ],
        )
        .await?;
    let stale = asked.at.checked_sub(KEPT_FOR).unwrap_or_default();
    tables
        .execute("DELETE FROM hub.questions WHERE asked_at < $1", &[&stale])
        .await?;
    Ok(())
}

/// Whether this message asked something.
pub(crate) async fn is_known(
    tables: &impl GenericClient,
    key: &QuestionKey,
) -> Result<bool, Failure> {
    let select = "SELECT 1 FROM hub.questions WHERE bot = $1 AND chat = $2 AND message = $3";
    Ok(tables
        .query_opt(select, &[&key.bot, &key.chat, &key.message])
        .await?
        .is_some())
}

/// Puts other words in the place of a question.
pub(crate) async fn change(
    tables: &impl GenericClient,
    key: &QuestionKey,
    words: &str,
) -> Result<(), Failure> {
    let update = "UPDATE hub.questions SET words = $4, version = version + 1
                  WHERE bot = $1 AND chat = $2 AND message = $3";
    tables
        .execute(
            update,
            &[&key.bot, &key.chat, &key.message, &storable(words)],
        )
        .await?;
    Ok(())
}

/// Opens a question again, if this version is still its newest and was answered (in vain).
pub(crate) async fn reopen(
    tables: &impl GenericClient,
    key: &QuestionKey,
    version: i32,
) -> Result<(), Failure> {
    let update = "UPDATE hub.questions SET version = version + 1
                  WHERE bot = $1 AND chat = $2 AND message = $3 AND version = $4 AND answered = $4";
    tables
        .execute(update, &[&key.bot, &key.chat, &key.message, &version])
        .await?;
    Ok(())
}

/// The question, if its newest version waits for an answer, and up to `turns_max` turns of its chat since `since`.
pub(crate) async fn open(
    tables: &impl GenericClient,
    key: &QuestionKey,
    since: Timestamp,
    turns_max: u16,
) -> Result<Option<Open>, Failure> {
    let select = "SELECT words, about, version, asked_at FROM hub.questions
                  WHERE bot = $1 AND chat = $2 AND message = $3 AND answered < version";
    let Some(question) = tables
        .query_opt(select, &[&key.bot, &key.chat, &key.message])
        .await?
    else {
        return Ok(None);
    };
    let before = "SELECT words, answer FROM hub.questions
                  WHERE bot = $1 AND chat = $2 AND message <> $3 AND answer IS NOT NULL AND answered_at >= $4 AND asked_at <= $5
                  ORDER BY asked_at DESC, message DESC LIMIT $6";
    let asked_at: Timestamp = question.try_get("asked_at")?;
    let limit = i64::from(turns_max);
    let rows = tables
        .query(
            before,
            &[&key.bot, &key.chat, &key.message, &since, &asked_at, &limit],
        )
        .await?;
    let turns = rows
        .iter()
        .rev()
        .map(turns)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Some(Open {
        words: question.try_get("words")?,
        about: question.try_get("about")?,
        version: question.try_get("version")?,
        turns: turns.into_iter().flatten().collect(),
    }))
}

/// Marks a version as answered. Without a whole answer nothing of it is remembered.
pub(crate) async fn answered(
    tables: &impl GenericClient,
    key: &QuestionKey,
    version: i32,
    answer: Option<&str>,
    at: Timestamp,
) -> Result<(), Failure> {
    let update = "UPDATE hub.questions SET answered = $4, answer = $5, answered_at = $6
                  WHERE bot = $1 AND chat = $2 AND message = $3 AND answered < $4";
    let answer = answer.map(storable);
    tables
        .execute(
            update,
            &[&key.bot, &key.chat, &key.message, &version, &answer, &at],
        )
        .await?;
    Ok(())
}

/// Forgets what was said and answered in a chat; what still waits for its answer stays.
pub(crate) async fn forget(
    tables: &impl GenericClient,
    bot: &str,
    chat: &str,
) -> Result<(), Failure> {
    let delete = "DELETE FROM hub.questions WHERE bot = $1 AND chat = $2 AND answered >= version";
    tables.execute(delete, &[&bot, &chat]).await?;
    Ok(())
}

fn turns(row: &Row) -> Result<[Turn; 2], Failure> {
    let question = Turn {
        speaker: Speaker::Person,
        text: row.try_get("words")?,
    };
    let answer = Turn {
        speaker: Speaker::Model,
        text: row.try_get("answer")?,
    };
    Ok([question, answer])
}

/// Postgres' text refuses a NUL, which people can send; the replacement character stands for it.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
