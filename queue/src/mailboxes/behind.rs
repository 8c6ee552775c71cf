//! The messages that are behind in the rows: which keys have any, and which of them may go on.

use std::collections::HashMap;

use super::{Entry, Look, Mailbox, Mailboxes};
use crate::{Key, MessageId, Partition, Priority};

/// How many keys are looked at in search of those that there is room for.
const CONSIDERED_MAX: usize = 4_096;

impl<M> Mailboxes<M> {
    /// Tells that messages of a key are behind, `from` this number on: a claim put them there, or a new owner found them.
    pub fn fell_behind(&mut self, key: &Key, partition: Partition, from: MessageId) {
        self.boxes
            .entry(key.clone())
            .or_insert_with(|| Mailbox::new(partition, Priority::Background))
            .fall_behind(from);
        self.want_look(key);
    }

    /// Whether some key may go on with messages that are behind.
    #[must_use]
    pub fn wants_looks(&self) -> bool {
        !self.looks.is_empty()
    }

    /// The keys that may go on with messages behind, at most `keys_max`, as far as there is room for messages of their
    /// urgency. Each must be answered by [`Mailboxes::looked`] or [`Mailboxes::look_again`].
    pub fn looks(&mut self, keys_max: usize, room: impl Fn(Priority) -> usize) -> Vec<Look> {
        let mut looks = Vec::new();
        let mut given: HashMap<Priority, usize> = HashMap::new();
        for _ in 0..self.looks.len().min(CONSIDERED_MAX) {
            if looks.len() >= keys_max {
                break;
            }
            let Some(key) = self.looks.pop_front() else {
                break;
            };
            let Some(mailbox) = self.boxes.get_mut(&key) else {
                continue;
            };
            let Some((wanted, alone)) = mailbox.look(self.per_key_max.get()) else {
                mailbox.looking = false;
                continue;
            };
            let given = given.entry(mailbox.priority).or_default();
            let count = wanted.min(room(mailbox.priority).saturating_sub(*given));
            if count == 0 {
                self.looks.push_back(key);
                continue;
            }
            *given += count;
            looks.push(Look {
                key,
                partition: mailbox.partition,
                messages_max: u16::try_from(count).unwrap_or(u16::MAX),
                alone,
            });
        }
        looks
    }

    /// Tells which messages a look found, in order, before they are offered.
    pub fn looked(&mut self, look: &Look, found: &[MessageId]) {
        let per_key_max = self.per_key_max.get();
        let Some(mailbox) = self.boxes.get_mut(&look.key) else {
            return;
        };
        mailbox.looking = false;
        if look.alone.is_some() {
            // Whatever else is behind still is. The head is delayed if it was not found, and comes by itself.
            return;
        }
        let last = found
            .last()
            .filter(|_| found.len() >= usize::from(look.messages_max));
        mailbox.behind = last.map(|last| MessageId(last.0 + 1));
        if (mailbox.in_hand() + found.len()) * 2 <= per_key_max {
            self.want_look(&look.key);
        }
        if let Some(mailbox) = self.boxes.get(&look.key)
            && mailbox.is_idle()
        {
            self.boxes.remove(&look.key);
        }
    }

    /// A look was not carried out.
    pub fn look_again(&mut self, look: &Look) {
        if let Some(mailbox) = self.boxes.get_mut(&look.key) {
            mailbox.looking = false;
            self.want_look(&look.key);
        }
    }

    /// Takes out of hand what waits for a held head, to be put behind: hands are short, and these cannot run now.
    pub fn relieve(&mut self) -> Vec<Entry<M>> {
        let mut relieved = Vec::new();
        if !std::mem::take(&mut self.stuck) {
            return relieved;
        }
        for mailbox in self.boxes.values_mut() {
            let Some(held) = mailbox.held else {
                continue;
            };
            for entry in std::mem::take(&mut mailbox.waiting) {
                if entry.id == held.head {
                    mailbox.waiting.push_back(entry);
                    continue;
                }
                mailbox.fall_behind(entry.id);
                self.books.gave_back(mailbox);
                relieved.push(entry);
            }
        }
        relieved.sort_by_key(|entry| entry.id);
        relieved
    }

    /// Puts the key on the list of those to look for, if it may go on with what is behind.
    pub(super) fn want_look(&mut self, key: &Key) {
        let Some(mailbox) = self.boxes.get_mut(key) else {
            return;
        };
        if !mailbox.looking && mailbox.look(self.per_key_max.get()).is_some() {
            mailbox.looking = true;
            self.looks.push_back(key.clone());
        }
    }
}
