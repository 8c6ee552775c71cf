//! Persons and chats: who is behind an account, what they may do, and where they were met.
//!
//! An identity is an account at a provider; a person is who we deal with. Somebody who writes for the first time becomes
//! a person at once, with whatever role the bot gives to newcomers. Rows here say who was met, never what was said.
//! What a role allows is for the kit.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sallyport_kit::{Chat, ChatKind, Person, PersonId, PersonKind, Role};
use sallyport_postgres::{Cached, Pool, PoolError};
use thiserror::Error;

use crate::bots::Bot;
use crate::channels::telegram::{PROVIDER, Sender};

pub mod owner;

/// A role that was given elsewhere is noticed after at most this long.
const REMEMBERED_FOR: Duration = Duration::from_secs(5);
/// Persons that are remembered between two messages.
const REMEMBERED_MAX: usize = 20_000;

/// Why a person could not be looked up. All of it passes.
#[derive(Debug, Error)]
pub enum PersonsError {
    /// No connection in time.
    #[error("no connection to look up a person")]
    Pool(#[from] PoolError),
    /// The statement failed.
    #[error("a person could not be looked up")]
    Statement(#[from] tokio_postgres::Error),
}

/// Finds and remembers persons.
pub struct Persons {
    pool: Pool,
    remembered: Mutex<HashMap<Account, Remembered>>,
}

type Account = (String, String, String);

struct Remembered {
    person: Person,
    sender: Sender,
    at: Instant,
}

impl Persons {
    /// Persons in this database.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self {
            pool,
            remembered: Mutex::new(HashMap::new()),
        }
    }

    /// The person behind `sender`, met in `chat` by `bot`. Safe to repeat.
    ///
    /// # Errors
    /// When the database does not answer; nothing is lost by asking again.
    pub async fn meet(
        &self,
        bot: &Bot,
        chat: &Chat,
        sender: &Sender,
    ) -> Result<Person, PersonsError> {
        let account = (bot.name.clone(), chat.id.0.clone(), sender.subject.clone());
        if let Some(person) = self.remembered(&account, sender) {
            return Ok(person);
        }
        let connection = self.pool.get().await?;
        let known = connection
            .query_one_cached(
                MEET,
                &[
                    &PROVIDER,
                    &sender.subject,
                    &sender.name,
                    &sender.language.code(),
                    &kind_word(sender.kind),
                    &bot.name,
                    &chat.id.0,
                    &chat_word(chat.kind),
                ],
            )
            .await?;
        let granted: Option<String> = known.try_get(1)?;
        let person = Person {
            id: PersonId(known.try_get(0)?),
            subject: sender.subject.clone(),
            name: sender.name.clone(),
            language: sender.language,
            role: granted
                .and_then(|word| role_of(&word))
                .unwrap_or(bot.newcomers),
            kind: sender.kind,
        };
        self.remember(account, &person, sender);
        Ok(person)
    }

    /// Forgets what is remembered of a person, because their role has changed.
    pub fn changed(&self, person: PersonId) {
        self.remembered
            .lock()
            .retain(|_, remembered| remembered.person.id != person);
    }

    fn remembered(&self, account: &Account, sender: &Sender) -> Option<Person> {
        let remembered = self.remembered.lock();
        let found = remembered.get(account)?;
        let is_fresh = found.at.elapsed() < REMEMBERED_FOR;
        (is_fresh && found.sender == *sender).then(|| found.person.clone())
    }

    fn remember(&self, account: Account, person: &Person, sender: &Sender) {
        let mut remembered = self.remembered.lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(
            account,
            Remembered {
                person: person.clone(),
                sender: sender.clone(),
                at: Instant::now(),
            },
        );
    }
}

/// Finds or makes identity, person and chat in one statement. Two first messages of one account at once may leave a
/// person behind whom no identity points to; that is a row without meaning, not a double.
const MEET: &str = "
    with known as (
        update identities
           set name = $3, language = $4, kind = $5, seen_at = now()
         where provider = $1 and subject = $2
        returning person
    ), newborn as (
        insert into persons
        select where not exists (select from known)
        returning id
    ), born as (
        insert into identities (provider, subject, person, name, language, kind)
        select $1, $2, id, $3, $4, $5 from newborn
        on conflict (provider, subject) do update set seen_at = now()
        returning person
    ), place as (
        insert into chats (bot, chat, kind) values ($6, $7, $8)
        on conflict (bot, chat) do update set unreachable_since = null, seen_at = now()
    ), who as (
        select person from known union all select person from born
    )
    select who.person, roles.role
      from who
      left join roles on roles.bot = $6 and roles.person = who.person
     limit 1";

fn kind_word(kind: PersonKind) -> &'static str {
    match kind {
        PersonKind::Human => "human",
        PersonKind::AnonymousAdmin => "anonymous_admin",
        PersonKind::Channel => "channel",
        PersonKind::Bot => "bot",
    }
}

/// The word for a chat's kind in our tables.
pub(crate) fn chat_word(kind: ChatKind) -> &'static str {
    match kind {
        ChatKind::Private => "private",
        ChatKind::Group => "group",
        ChatKind::Channel => "channel",
    }
}

fn role_of(word: &str) -> Option<Role> {
    match word {
        "member" => Some(Role::Member),
        "operator" => Some(Role::Operator),
        "owner" => Some(Role::Owner),
        _ => None,
    }
}
