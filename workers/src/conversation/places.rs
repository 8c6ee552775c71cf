//! Chats that open, close and move, and persons as a task remembers them.

use sallyport_kit::{Chat, ChatId, Person};
use sallyport_queue::Verdict;

use crate::channels::telegram::Sender;
use crate::persons::chat_word;
use crate::pool::Handled;

/// The sender of the message that a task was started from.
pub(super) fn sender_of(person: &Person) -> Sender {
    Sender {
        subject: person.subject.clone(),
        name: person.name.clone(),
        language: person.language,
        kind: person.kind,
    }
}

/// Remembers whether a chat can be written to.
pub(super) fn reachable(bot: &str, chat: &Chat, reachable: bool) -> Handled {
    let (bot, id, kind) = (bot.to_owned(), chat.id.0.clone(), chat_word(chat.kind));
    Handled {
        effects: Some(Box::new(move |transaction| {
            Box::pin(async move {
                transaction
                    .execute(
                        "insert into chats (bot, chat, kind, unreachable_since)
                         values ($1, $2, $3, case when $4 then null else now() end)
                         on conflict (bot, chat) do update
                            set unreachable_since = excluded.unreachable_since, seen_at = now()",
                        &[&bot, &id, &kind, &reachable],
                    )
                    .await?;
                Ok(())
            })
        })),
        ..Handled::done()
    }
}

/// Remembers that a group lives on under another id, and what was on its screen with it.
pub(super) fn moved(bot: &str, from: &ChatId, to: &ChatId) -> Handled {
    let (bot, from, to) = (bot.to_owned(), from.0.clone(), to.0.clone());
    Handled {
        effects: Some(Box::new(move |transaction| {
            Box::pin(async move {
                transaction
                    .execute(
                        "insert into chats (bot, chat, kind, moved_to) values ($1, $2, 'group', $3)
                         on conflict (bot, chat) do update set moved_to = excluded.moved_to",
                        &[&bot, &from, &to],
                    )
                    .await?;
                Ok(())
            })
        })),
        ..Verdict::Done.into()
    }
}
