//! `claim.sql`, `release.sql` and `behind_keys.sql`: into hand, out of it, and behind.

use std::collections::{BTreeMap, BTreeSet};

use sallyport_queue::mailboxes::Look;
use sallyport_queue::ownership::WorkerId;
use sallyport_queue::{ClaimId, ClaimRef, Key, MessageId, Partition, Token};

use super::{Answer, Begun, Brought, ClaimAsk, ClaimFrom, ClaimRow, Database, Fact, Row, Taken};

impl Database {
    /// The oldest of each partition and urgency, and of the keys that are looked for, as far as the ownership stands.
    pub(super) fn begin_claim(&mut self, ask: &ClaimAsk) -> Begun {
        let mut brought = Brought::default();
        for from in &ask.partitions {
            for (id, row) in self.ready(ask, from) {
                match from.watched && self.overtakes(id, row) {
                    true => brought.behind.push(taken(id, row, from.token)),
                    false => brought.messages.push(taken(id, row, from.token)),
                }
            }
        }
        for (look, token) in &ask.looks {
            let found = self.looked(ask, look);
            brought
                .looked
                .extend(found.map(|(id, row)| taken(id, row, *token)));
        }
        let mut shares = BTreeSet::new();
        for list in [
            &mut brought.messages,
            &mut brought.looked,
            &mut brought.behind,
        ] {
            list.retain(|message| self.share(message.partition, message.token, &ask.worker));
            list.sort_by_key(|message| (message.priority, message.id));
            shares.extend(list.iter().map(|message| message.partition));
        }
        self.lock(&shares);
        Begun {
            brought,
            shares,
            ..Begun::default()
        }
    }

    fn ready<'d>(
        &'d self,
        ask: &'d ClaimAsk,
        from: &'d ClaimFrom,
    ) -> impl Iterator<Item = (MessageId, &'d Row)> {
        self.queue
            .range(from.lowest..)
            .map(|(id, row)| (*id, row))
            .filter(|(id, row)| {
                let is_ready = !row.delayed && !row.behind;
                let is_asked = row.partition == from.partition && row.priority == from.priority;
                is_ready && is_asked && !ask.in_hand.contains(id)
            })
            .take(from.messages_max)
    }

    fn looked<'d>(
        &'d self,
        ask: &'d ClaimAsk,
        look: &'d Look,
    ) -> impl Iterator<Item = (MessageId, &'d Row)> {
        self.queue
            .iter()
            .map(|(id, row)| (*id, row))
            .filter(|(id, row)| {
                let is_asked = look.alone.is_none_or(|alone| alone == *id);
                row.behind && row.key == look.key && is_asked && !ask.in_hand.contains(id)
            })
            .take(usize::from(look.messages_max))
    }

    /// Whether an earlier message of its key is behind.
    fn overtakes(&self, id: MessageId, row: &Row) -> bool {
        let mut earlier = self.queue.range(..id);
        earlier.any(|(_, other)| other.behind && other.key == row.key)
    }

    pub(super) fn claim(&mut self, ask: &ClaimAsk, mut brought: Brought) -> Answer {
        for claim in &ask.finished {
            self.claims.remove(claim);
        }
        for message in &brought.behind {
            if let Some(row) = self.queue.get_mut(&message.id).filter(|row| !row.delayed) {
                row.behind = true;
            }
        }
        if !brought.messages.is_empty() || !brought.looked.is_empty() {
            self.last_claim += 1;
            let claim = ClaimId(self.last_claim);
            let both = brought.messages.iter_mut().chain(&mut brought.looked);
            let entries = both.map(|message| {
                message.claim = claim;
                (message.partition, message.token, message.id)
            });
            let row = ClaimRow {
                entries: entries.collect(),
                released: BTreeSet::new(),
            };
            self.claims.insert(claim, row);
        }
        Answer::Claimed(brought)
    }

    pub(super) fn release(
        &mut self,
        worker: &WorkerId,
        messages: &[(ClaimRef, bool)],
        facts: &mut Vec<Fact>,
    ) -> Answer {
        // As one statement: who is behind is what its beginning saw.
        let with_some_behind = self.keys_behind();
        for (message, behind) in messages {
            let is_mine = self.share(message.partition, message.token, worker);
            if let Some(row) = self.queue.get_mut(&message.id)
                && is_mine
                && !row.delayed
                && (*behind || with_some_behind.contains_key(&row.key))
            {
                row.behind = true;
            }
            if let Some(claim) = self.claims.get_mut(&message.claim) {
                claim.released.insert(message.id);
                facts.push(Fact::Released(message.id));
            }
        }
        Answer::Done
    }

    /// The keys with messages behind, each with its first.
    pub(super) fn keys_behind(&self) -> BTreeMap<Key, (Partition, MessageId)> {
        let mut keys = BTreeMap::new();
        for (id, row) in self.queue.iter().filter(|(_, row)| row.behind) {
            keys.entry(row.key.clone()).or_insert((row.partition, *id));
        }
        keys
    }

    pub(super) fn behind_keys(&self, partitions: &[Partition]) -> Answer {
        let keys = self
            .keys_behind()
            .into_iter()
            .filter(|(_, (partition, _))| partitions.contains(partition))
            .map(|(key, (partition, id))| (key, partition, id));
        Answer::Behind(keys.collect())
    }
}

fn taken(id: MessageId, row: &Row, token: Token) -> Taken {
    Taken {
        id,
        key: row.key.clone(),
        kind: row.kind.clone(),
        partition: row.partition,
        priority: row.priority,
        token,
        claim: ClaimId(0),
        attempts: row.attempts,
        interrupted: row.interrupted,
        stepped_over: row.stepped_over,
        origin: row.origin,
    }
}
