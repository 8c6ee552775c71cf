//! One bot: its identity, its chats, what waits for it, and what it set about itself.
//!
//! All state sits behind one lock that is held for microseconds and never across an await. Whoever changes what waits calls [`Bot::wake`].

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use frankenstein::types::BotCommand;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use rand::Rng;
use tokio::sync::Notify;

use super::{
    answer::Refusal,
    chat::{Chat, Kept},
    files::Files,
    limits::Bucket,
    updates::Updates,
    webhook::Webhook,
    wire::{ChatKind, User},
};

/// More chats than this are a runaway test; new ones are refused.
const CHATS_MAX: usize = 100_000;

/// Button presses that wait for `answerCallbackQuery`.
const PRESSES_MAX: usize = 10_000;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Who a bot is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) username: String,
    pub(crate) name: String,
    /// The name by which the control door may call it: `ops` of a token `…:playground-ops`.
    pub(crate) short: String,
}

/// One bot.
pub(crate) struct Bot {
    pub(crate) id: i64,
    state: Mutex<State>,
    changed: Notify,
}

/// Everything behind a bot's lock.
pub(crate) struct State {
    pub(crate) me: User,
    /// The part of the token after the colon, from its first use on.
    secret: Option<String>,
    pub(crate) chats: HashMap<i64, Chat>,
    pub(crate) updates: Updates,
    pub(crate) webhook: Option<Webhook>,
    pub(crate) last_error: Option<(i64, String)>,
    /// Counts `getUpdates` calls: whoever waits and sees it move was replaced by another poller.
    pub(crate) poller: u64,
    pub(crate) commands: BTreeMap<(String, String), Vec<BotCommand>>,
    /// Texts a bot may set per language: (which, language) → text.
    pub(crate) texts: BTreeMap<(&'static str, String), String>,
    pub(crate) presses: Presses,
    pub(crate) files: Files,
    pub(crate) bulk: Bucket,
    kept: VecDeque<(i64, i32, usize)>,
    kept_bytes: usize,
    kept_bytes_max: usize,
}

/// Presses of buttons that the bot has not answered.
#[derive(Default)]
pub(crate) struct Presses {
    open: HashSet<String>,
    order: VecDeque<String>,
    /// What the person was shown, newest last.
    pub(crate) shown: VecDeque<(i64, String)>,
}

impl Presses {
    pub(crate) fn open(&mut self, id: String) {
        self.open.insert(id.clone());
        self.order.push_back(id);
        while self.order.len() > PRESSES_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.open.remove(&oldest);
            }
        }
    }

    /// Whether the press was open; it is not any more.
    pub(crate) fn close(&mut self, id: &str) -> bool {
        self.open.remove(id)
    }
}

impl Bot {
    pub(crate) fn new(id: i64, kept_bytes_max: usize) -> Self {
        let identity = identity_of(id, "");
        let state = State {
            me: user(id, &identity),
            secret: None,
            chats: HashMap::new(),
            // Numbers begin anew with every playground; a random start keeps them apart from those that the house still remembers.
            updates: Updates::starting_at(rand::rng().random_range(100_000_000..2_000_000_000)),
            webhook: None,
            last_error: None,
            poller: 0,
            commands: BTreeMap::new(),
            texts: BTreeMap::new(),
            presses: Presses::default(),
            files: Files::default(),
            bulk: Bucket::default(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            kept_bytes_max,
        };
        Self {
            id,
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(crate) fn identity(&self) -> Identity {
        let state = self.lock();
        identity_of(self.id, state.secret.as_deref().unwrap_or_default())
    }

    /// Lets in whoever brings the secret that was seen first.
    pub(crate) fn admit(&self, secret: &str) -> Result<(), Refusal> {
        let mut state = self.lock();
        match &state.secret {
            Some(known) if known == secret => Ok(()),
            Some(_) => Err(Refusal::new(401, "Unauthorized")),
            None => {
                state.me = user(self.id, &identity_of(self.id, secret));
                state.secret = Some(secret.to_owned());
                Ok(())
            }
        }
    }

    /// Tells the poller and the webhook to look again.
    pub(crate) fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// Completes at the next [`Self::wake`]; create it before looking.
    pub(crate) fn woken(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }
}

impl State {
    /// The chat with this number, made if need be; `None` when there are too many.
    pub(crate) fn chat(&mut self, id: i64, kind: ChatKind) -> Option<&mut Chat> {
        if self.chats.len() >= CHATS_MAX && !self.chats.contains_key(&id) {
            return None;
        }
        let first_message_id = || rand::rng().random_range(1_000..1_000_000_000);
        Some(
            self.chats
                .entry(id)
                .or_insert_with(|| Chat::new(id, kind, first_message_id())),
        )
    }

    /// Adds a message to its chat; the oldest messages of any chat give way when there are too many bytes.
    pub(crate) fn keep(&mut self, chat_id: i64, message: Kept) {
        let bytes = message.bytes();
        let Some(chat) = self.chats.get_mut(&chat_id) else {
            return;
        };
        self.kept.push_back((chat_id, message.id, bytes));
        self.kept_bytes += bytes;
        chat.messages.insert(message.id, message);
        while self.kept_bytes > self.kept_bytes_max && self.kept.len() > 1 {
            let Some((chat_id, message_id, bytes)) = self.kept.pop_front() else {
                break;
            };
            self.kept_bytes -= bytes;
            if let Some(chat) = self.chats.get_mut(&chat_id) {
                chat.messages.remove(&message_id);
            }
        }
    }
}

fn user(id: i64, identity: &Identity) -> User {
    User {
        id,
        is_bot: true,
        first_name: identity.name.clone(),
        last_name: None,
        username: Some(identity.username.clone()),
        language_code: None,
    }
}

/// `1000001:playground-ops` is `@ops_bot`, called Ops; any other token names itself after its number.
fn identity_of(id: i64, secret: &str) -> Identity {
    let named = secret.strip_prefix("playground-").filter(|name| {
        (1..=24).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    match named {
        Some(short) => {
            let mut letters = short.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            let name = first.into_iter().chain(letters).collect();
            Identity {
                username: format!("{short}_bot"),
                name,
                short: short.to_owned(),
            }
        }
        None => Identity {
            username: format!("playground_{id}_bot"),
            name: format!("Bot {id}"),
            short: id.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bot_is_named_by_its_token_and_keeps_its_first_secret() {
        let bot = Bot::new(1_000_001, 1_000_000);

        assert!(bot.admit("playground-ops").is_ok());
        assert_eq!(bot.lock().me.username.as_deref(), Some("ops_bot"));
        assert_eq!(
            bot.admit("another").expect_err("refused").description,
            "Unauthorized"
        );
    }
}
