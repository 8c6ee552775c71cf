//! `batch::PUT`: what is new is put in, what was accepted before is found.

use sallyport_queue::{ClaimId, MessageId, NewMessage};

use super::{Answer, Begun, Database, Fact, Micros, Row};

impl Database {
    /// The statement goes as far as it can.
    pub(super) fn begin_accept(&mut self, messages: &[NewMessage]) -> Begun {
        let mut begun = Begun::default();
        if self.flaws.numbers_at_once {
            begun.numbers = messages.iter().map(|_| self.next_id()).collect();
        }
        self.put_pairs_in(messages, &mut begun);
        begun
    }

    /// Draws a number for each message and puts its pair in, one after the other, up to one that a statement under way has put
    /// in before: whoever comes with the same pair waits for that statement's end. Says whether all are in.
    pub(super) fn put_pairs_in(&mut self, messages: &[NewMessage], begun: &mut Begun) -> bool {
        for message in &messages[begun.pairs_in..] {
            if begun.numbers.len() == begun.pairs_in {
                begun.numbers.push(self.next_id());
            }
            let id = begun.numbers[begun.pairs_in];
            if let Some(pair) = pair(message) {
                let first = *self.reserved.entry(pair).or_insert(id);
                if !begun.numbers.contains(&first) {
                    return false;
                }
            }
            begun.pairs_in += 1;
        }
        true
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
