//! How a fresh bot finds its owner: a link with a code, printed once at the start.
//!
//! Nobody may use a fresh bot, so somebody has to be let in from outside the chat. The code is random, works once and for
//! some minutes, and only its digest is stored; the newest of a bot replaces the ones before.

use std::time::Duration;

use rand::RngCore;
use sallyport_kit::{Chat, ChatId, ChatKind, Claim, Language, Person, PersonId, PersonKind, Role};
use sallyport_postgres::Pool;
use sha2::{Digest, Sha256};

use super::PersonsError;
use crate::channels::telegram::PROVIDER;

/// Random bytes in a code: nobody guesses 128 bits in fifteen minutes.
const CODE_BYTES: usize = 16;

/// A new code, for a link.
#[must_use]
pub fn new_code(random: &mut impl RngCore) -> String {
    let mut bytes = [0; CODE_BYTES];
    random.fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lets a code make somebody the owner, unless the bot has an owner already; earlier codes stop working. Returns whether
/// it does.
///
/// # Errors
/// When the database does not answer.
pub async fn issue(
    pool: &Pool,
    bot: &str,
    code: &str,
    works_for: Duration,
) -> Result<bool, PersonsError> {
    let connection = pool.get().await?;
    let issued = connection
        .execute(
            "insert into owner_codes (bot, digest, expires_at)
             select $1, $2, now() + make_interval(secs => $3)
              where not exists (select from roles where bot = $1 and role = 'owner')
             on conflict (bot) do update
                set digest = excluded.digest, expires_at = excluded.expires_at,
                    used_at = null, used_by = null",
            &[&bot, &digest(code), &works_for.as_secs_f64()],
        )
        .await?;
    Ok(issued == 1)
}

/// Makes a person the owner if the code is the bot's, still works and was not used. Safe to repeat: whoever used it
/// owns the bot already.
///
/// # Errors
/// When the database does not answer; nothing was used up then.
pub async fn claim(
    pool: &Pool,
    bot: &str,
    person: PersonId,
    code: &str,
) -> Result<Claim, PersonsError> {
    let mut connection = pool.get().await?;
    let transaction = connection.transaction().await?;
    let owns = transaction
        .query_opt(
            "select from roles where bot = $1 and person = $2 and role = 'owner'",
            &[&bot, &person.0],
        )
        .await?;
    if owns.is_some() {
        return Ok(Claim::AlreadyOwner);
    }
    let used = transaction
        .execute(
            "update owner_codes set used_at = now(), used_by = $2
              where bot = $1 and digest = $3 and used_at is null and expires_at > now()",
            &[&bot, &person.0, &digest(code)],
        )
        .await?;
    if used == 0 {
        return Ok(Claim::Refused);
    }
    transaction
        .execute(
            "insert into roles (bot, person, role) values ($1, $2, 'owner')
             on conflict (bot, person) do update set role = 'owner', granted_at = now()",
            &[&bot, &person.0],
        )
        .await?;
    transaction.commit().await?;
    Ok(Claim::Granted)
}

/// The owners of a bot who can be written to, with their private chats; the chat of a person has their account's number.
///
/// # Errors
/// When the database does not answer.
pub async fn of_bot(pool: &Pool, bot: &str) -> Result<Vec<(Person, Chat)>, PersonsError> {
    let connection = pool.get().await?;
    let found = connection
        .query(
            "select roles.person, i.subject, i.name, i.language
               from roles
               join identities i on i.person = roles.person and i.provider = $2 and i.kind = 'human'
               join chats c on c.bot = roles.bot and c.chat = i.subject
                           and c.kind = 'private' and c.unreachable_since is null
              where roles.bot = $1 and roles.role = 'owner'
              order by roles.person, i.subject",
            &[&bot, &PROVIDER],
        )
        .await?;
    found
        .iter()
        .map(|row| {
            let subject: String = row.try_get(1)?;
            let chat = Chat {
                id: ChatId(subject.clone()),
                topic: None,
                kind: ChatKind::Private,
            };
            let person = Person {
                id: PersonId(row.try_get(0)?),
                subject,
                name: row.try_get(2)?,
                language: Language::from_code(row.try_get(3)?),
                role: Role::Owner,
                kind: PersonKind::Human,
            };
            Ok((person, chat))
        })
        .collect()
}

fn digest(code: &str) -> Vec<u8> {
    Sha256::digest(code.as_bytes()).to_vec()
}
