//! `batch::PUT`: what is new is put in, what was accepted before is found.

use sallyport_queue::{ClaimId, MessageId, NewMessage};

use super::{Answer, Ask, Begun, Database, Fact, Micros, Row};

impl Database {
    /// Takes the numbers and puts the pairs in; whoever comes with the same pair meanwhile waits for this statement's end.
    pub(super) fn begin_accept(&mut self, messages: &[NewMessage]) -> Begun {
        let numbers: Vec<MessageId> = messages.iter().map(|_| self.next_id()).collect();
        for (message, id) in messages.iter().zip(&numbers) {
            if let Some(pair) = pair(message) {
                self.reserved.entry(pair).or_insert(*id);
            }
        }
        Begun {
            numbers,
            ..Begun::default()
        }
    }

    /// Whether a statement under way has put in one of these pairs before.
    pub(super) fn is_reserved_by_others(&self, ask: &Ask, begun: &Begun) -> bool {
        let Ask::Accept { messages, .. } = ask else {
            return false;
        };
        messages.iter().filter_map(pair).any(|pair| {
            let reserved = self.reserved.get(&pair);
            reserved.is_some_and(|id| !begun.numbers.contains(id))
        })
    }

    pub(super) fn accept(
        &mut self,
        messages: &[NewMessage],
        is_replay: bool,
        numbers: &[MessageId],
        now: Micros,
        facts: &mut Vec<Fact>,
    ) -> Answer {
        let ignores_pair = is_replay && self.flaws.replay_without_pair;
        let mut receipts = Vec::with_capacity(messages.len());
        for (message, id) in messages.iter().zip(numbers) {
            if let Some(pair) = pair(message) {
                match self.deliveries.get(&pair) {
                    Some(first) if !ignores_pair => {
                        receipts.push((*first, true));
                        continue;
                    }
                    _ => self.deliveries.insert(pair, *id),
                };
            }
            self.put(message, *id, now, facts);
            receipts.push((*id, false));
        }
        Answer::Accepted(receipts)
    }

    pub(super) fn put(
        &mut self,
        message: &NewMessage,
        id: MessageId,
        now: Micros,
        facts: &mut Vec<Fact>,
    ) {
        let delay = message
            .delay
            .map_or(0, |delay| i64::try_from(delay.as_micros()).unwrap());
        let row = Row {
            partition: message.key.partition(),
            priority: message.priority,
            delayed: delay > 0,
            behind: false,
            stepped_over: false,
            attempts: 0,
            interrupted: false,
            counted_claim: ClaimId(0),
            ready_at: now + delay,
            kind: message.kind.clone(),
            key: message.key.clone(),
            origin: String::from_utf8_lossy(&message.payload)
                .parse()
                .unwrap_or(0),
        };
        self.queue.insert(id, row);
        facts.push(Fact::Stored {
            id,
            message: message.clone(),
        });
    }
}

fn pair(message: &NewMessage) -> Option<(String, String)> {
    let delivery_id = message.delivery_id.clone()?;
    Some((message.source.clone(), delivery_id))
}
