//! Properties: whatever happens to full, held, relieved and lost keys, one message of a key runs at a time and none that
//! never failed is overtaken.

use super::*;

/// What may happen to the mailboxes, in the words of the pool.
#[derive(Debug, Clone)]
enum Step {
    Accept(u8),
    /// With so much room, of so many of each partition.
    Claim(usize, usize),
    Start,
    End,
    Fail(HeadPolicy),
    Relieve,
    Wait(u64),
    Lose(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let policy = prop_oneof![
        Just(HOLD),
        Just(HeadPolicy::StepOver),
        Just(HeadPolicy::Park),
    ];
    let step = prop_oneof![
        2 => (0_u8..4).prop_map(Step::Accept),
        4 => (0_usize..9, 1_usize..9).prop_map(|(room, each)| Step::Claim(room, each)),
        5 => Just(Step::Start),
        4 => Just(Step::End),
        2 => policy.prop_map(Step::Fail),
        1 => Just(Step::Relieve),
        1 => (0_u64..40).prop_map(Step::Wait),
        1 => (0_u8..4).prop_map(Step::Lose),
    ];
    prop::collection::vec(step, 1..200)
}

/// A model of the pool and of the store behind it: which messages exist, what is behind, and what runs.
struct House {
    boxes: Mailboxes<()>,
    now: Instant,
    /// Unfinished messages by key.
    stored: BTreeMap<u64, BTreeSet<i64>>,
    behind: BTreeSet<i64>,
    /// Refused or relieved, and not put behind yet.
    refused: Vec<i64>,
    running: HashMap<i64, Entry<()>>,
    /// Messages that failed at least once: they may be overtaken.
    failed: BTreeSet<i64>,
    last: i64,
}

impl House {
    fn new(keys: u64, per_key: i64, cap: usize) -> Self {
        let stored = (0..keys)
            .map(|name| {
                (
                    name,
                    (0..per_key).map(|n| n * 100 + name.cast_signed()).collect(),
                )
            })
            .collect();
        Self {
            boxes: mailboxes(cap),
            now: Instant::now(),
            stored,
            behind: BTreeSet::new(),
            refused: Vec::new(),
            running: HashMap::new(),
            failed: BTreeSet::new(),
            last: per_key * 100,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Accept(name) => {
                self.last += 1;
                self.stored
                    .entry(u64::from(name))
                    .or_default()
                    .insert(self.last);
            }
            Step::Claim(room, each) => self.claim(room, each),
            Step::Start => self.start(),
            Step::End => self.finish(None),
            Step::Fail(policy) => self.finish(Some(policy)),
            Step::Relieve => {
                let relieved = self.boxes.relieve();
                self.refused.extend(relieved.iter().map(|entry| entry.id.0));
            }
            Step::Wait(seconds) => {
                self.now += Duration::from_secs(seconds);
                self.boxes.lift_overdue(self.now);
            }
            Step::Lose(name) => self.lose(u64::from(name)),
        }
    }

    /// As the store does at a takeover: what was in hand goes to the others of its key that are behind. Then the keys
    /// that have any are read.
    fn lose(&mut self, name: u64) {
        let lost = key(name).partition();
        let in_hand: Vec<i64> = self
            .boxes
            .hands()
            .filter(|(partition, _)| *partition == lost)
            .map(|(_, id)| id.0)
            .chain(self.refused.iter().copied())
            .collect();
        self.boxes.forget(lost);
        self.running.retain(|_, entry| entry.partition != lost);
        for (&name, ids) in &self.stored {
            if key(name).partition() != lost {
                continue;
            }
            if ids.iter().any(|id| self.behind.contains(id)) {
                let theirs = in_hand.iter().filter(|id| ids.contains(id));
                self.behind.extend(theirs);
            }
            self.refused.retain(|id| !ids.contains(id));
            if let Some(first) = ids.iter().find(|id| self.behind.contains(id)) {
                self.boxes.fell_behind(&key(name), lost, MessageId(*first));
            }
        }
    }

    fn claim(&mut self, room: usize, each: usize) {
        self.behind.extend(self.refused.drain(..));
        let in_hand: BTreeSet<i64> = self.boxes.ids().map(|id| id.0).collect();
        let looks = self.boxes.looks(3, |_| room);
        let mut came = Vec::new();
        for look in &looks {
            let found: Vec<(i64, u64)> = self
                .stored
                .iter()
                .filter(|(name, _)| key(**name) == look.key)
                .flat_map(|(name, ids)| ids.iter().map(|id| (*id, *name)))
                .filter(|(id, _)| self.behind.contains(id) && !in_hand.contains(id))
                .filter(|(id, _)| look.alone.is_none_or(|alone| alone.0 == *id))
                .take(usize::from(look.messages_max))
                .collect();
            let ids: Vec<MessageId> = found.iter().map(|(id, _)| MessageId(*id)).collect();
            self.boxes.looked(look, &ids);
            came.extend(found);
        }
        let was_behind = self.behind.clone();
        for (&name, ids) in &self.stored {
            let ready = ids
                .iter()
                .filter(|id| !was_behind.contains(id) && !in_hand.contains(id));
            for &id in ready.take(each) {
                if ids.range(..id).any(|other| was_behind.contains(other)) {
                    self.behind.insert(id);
                    self.boxes
                        .fell_behind(&key(name), key(name).partition(), MessageId(id));
                } else {
                    came.push((id, name));
                }
            }
        }
        for (id, name) in came {
            if let Offer::Full(entry) = self.boxes.offer(interactive(id, name)) {
                self.refused.push(entry.id.0);
            }
        }
    }

    fn start(&mut self) {
        let Some(entry) = self.boxes.start_next() else {
            return;
        };
        assert!(
            self.running.values().all(|other| other.key != entry.key),
            "two of one key at once"
        );
        let ids = self
            .stored
            .values()
            .find(|ids| ids.contains(&entry.id.0))
            .expect("only unfinished ones run");
        let overtaken = ids.range(..entry.id.0).find(|id| !self.failed.contains(id));
        assert_eq!(
            overtaken, None,
            "{:?} overtook one that never failed",
            entry.id
        );
        self.running.insert(entry.id.0, entry);
    }

    fn finish(&mut self, failed: Option<HeadPolicy>) {
        let Some(id) = self.running.keys().min().copied() else {
            return;
        };
        let entry = self.running.remove(&id).unwrap();
        let fate = failed.map_or(Fate::Ended, |policy| {
            self.failed.insert(id);
            self.boxes
                .fate_of_head(&entry.key, entry.id, policy, self.now, SOON)
        });
        if fate == Fate::Ended {
            self.behind.remove(&id);
            self.stored.values_mut().for_each(|ids| {
                ids.remove(&id);
            });
        } else if !self.refused.contains(&id) {
            // It is delayed, and then ready again.
            self.behind.remove(&id);
        }
        self.boxes.settled(&entry.key, entry.id, fate);
    }

    /// With failures over, everything must come to its end.
    fn run_dry(&mut self) {
        for _ in 0..2_000 {
            self.step(Step::Wait(40));
            self.claim(usize::MAX, 8);
            self.start();
            self.finish(None);
        }
        assert!(
            self.stored.values().all(BTreeSet::is_empty),
            "left over: {:?}, behind {:?}",
            self.stored,
            self.behind
        );
        assert_eq!((self.boxes.waiting(), self.boxes.running()), (0, 0));
        assert_eq!((self.boxes.held_keys().count(), self.boxes.keys()), (0, 0));
    }
}

proptest! {
    #[test]
    fn one_runs_per_key_in_order_and_everything_ends(steps in steps(), cap in 1_usize..6) {
        let mut house = House::new(4, 10, cap);

        for step in steps {
            house.step(step);
        }

        house.run_dry();
    }
}
