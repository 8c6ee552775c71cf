//! The parts that wait for more, in the kit's table.
//!
//! Every change names the number of parts that it read, and fails when somebody else changed them in between: the attempt is
//! then made again, and sees what is there.

use jiff::Timestamp;
use tokio_postgres::Row;

use crate::{Context, Failure, Incoming};

/// Parts that wait for more.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Thought {
    /// The message that the first part was.
    pub(super) first: String,
    pub(super) parts: Vec<Incoming>,
    /// When the newest part was said, by the provider's clock.
    pub(super) last_at: Timestamp,
    /// When the newest part was put there, by ours.
    pub(super) touched_at: Timestamp,
}

/// Whose thoughts.
struct Owner {
    bot: String,
    chat: String,
    person: i64,
}

impl Owner {
    fn of(context: &Context) -> Self {
        Self {
            bot: context.us().bot.clone(),
            chat: context.chat().id.0.clone(),
            person: context.person().id.0,
        }
    }
}

/// The newest thought that a message may belong to: of its album, or else a paste.
pub(super) async fn newest(context: &Context) -> Result<Option<Thought>, Failure> {
    let (owner, album) = (Owner::of(context), album(context));
    let select = "SELECT first_message, parts, last_at, touched_at FROM kit.thoughts
        WHERE bot = $1 AND chat = $2 AND person = $3 AND album IS NOT DISTINCT FROM $4
        ORDER BY touched_at DESC LIMIT 1";
    let tables = context.read().await?;
    let found = tables
        .query_opt(select, &[&owner.bot, &owner.chat, &owner.person, &album])
        .await?;
    found.as_ref().map(Thought::read).transpose()
}

/// The thought that began with this message.
pub(super) async fn named(context: &Context, first: &str) -> Result<Option<Thought>, Failure> {
    let owner = Owner::of(context);
    let select = "SELECT first_message, parts, last_at, touched_at FROM kit.thoughts
        WHERE bot = $1 AND chat = $2 AND person = $3 AND first_message = $4";
    let tables = context.read().await?;
    let found = tables
        .query_opt(select, &[&owner.bot, &owner.chat, &owner.person, &first])
        .await?;
    found.as_ref().map(Thought::read).transpose()
}

/// Keeps the first part.
pub(super) fn begin(context: &Context, first: String) -> Result<(), Failure> {
    let (owner, album, now) = (Owner::of(context), album(context), context.now());
    let (part, at) = part(context)?;
    let insert = "INSERT INTO kit.thoughts
        (bot, chat, person, first_message, album, parts, last_at, touched_at)
        VALUES ($1, $2, $3, $4, $5, ARRAY[$6::bytea], $7, $8) ON CONFLICT DO NOTHING";
    context.remember(move |tables| {
        Box::pin(async move {
            let Owner { bot, chat, person } = owner;
            tables
                .execute(
                    insert,
                    &[&bot, &chat, &person, &first, &album, &part, &at, &now],
                )
                .await?;
            Ok(())
        })
    });
    Ok(())
}

/// Adds a part.
pub(super) fn add(context: &Context, thought: &Thought) -> Result<(), Failure> {
    let (owner, first, count) = (Owner::of(context), thought.first.clone(), thought.count());
    let ((part, at), now) = (part(context)?, context.now());
    let update = "UPDATE kit.thoughts
        SET parts = array_append(parts, $6::bytea), last_at = $7, touched_at = $8
        WHERE bot = $1 AND chat = $2 AND person = $3 AND first_message = $4
          AND cardinality(parts) = $5";
    context.remember(move |tables| {
        Box::pin(async move {
            let Owner { bot, chat, person } = owner;
            let hit = tables
                .execute(
                    update,
                    &[&bot, &chat, &person, &first, &count, &part, &at, &now],
                )
                .await?;
            only_one(hit)
        })
    });
    Ok(())
}

/// Takes the parts away: whoever does may answer them.
pub(super) fn take(context: &Context, thought: &Thought) {
    let (owner, first, count) = (Owner::of(context), thought.first.clone(), thought.count());
    let delete = "DELETE FROM kit.thoughts
        WHERE bot = $1 AND chat = $2 AND person = $3 AND first_message = $4
          AND cardinality(parts) = $5";
    context.remember(move |tables| {
        Box::pin(async move {
            let Owner { bot, chat, person } = owner;
            let hit = tables
                .execute(delete, &[&bot, &chat, &person, &first, &count])
                .await?;
            only_one(hit)
        })
    });
}

impl Thought {
    fn read(row: &Row) -> Result<Self, Failure> {
        let parts: Vec<Vec<u8>> = row.try_get("parts")?;
        Ok(Self {
            first: row.try_get("first_message")?,
            parts: parts
                .iter()
                .map(|part| serde_json::from_slice(part))
                .collect::<Result<_, _>>()?,
            last_at: row.try_get("last_at")?,
            touched_at: row.try_get("touched_at")?,
        })
    }

    fn count(&self) -> i32 {
        i32::try_from(self.parts.len()).unwrap_or(i32::MAX)
    }
}

/// The message that is handled, as it is stored, and when it was said.
fn part(context: &Context) -> Result<(Vec<u8>, Timestamp), Failure> {
    let incoming = context.incoming();
    Ok((serde_json::to_vec(incoming)?, incoming.at))
}

fn album(context: &Context) -> Option<String> {
    let file = context.incoming().file();
    file.and_then(|file| file.album.clone())
}

/// Refuses to commit when somebody else changed the thought in between.
fn only_one(hit: u64) -> Result<(), Failure> {
    match hit {
        1 => Ok(()),
        _ => Err(Failure::passing(
            "conflict",
            "The parts of a split message changed in between",
        )),
    }
}
