//! The stories' hands on the model.

use std::collections::BTreeSet;
use std::time::Duration;

use sallyport_queue::ownership::WorkerId;
use sallyport_queue::{
    ClaimRef, Key, MessageId, NewMessage, Partition, Priority, Settled, Settlement, TakenOver,
    Token,
};

use super::{Stored, look};
use crate::checker::SEND;
use crate::context::micros;
use crate::model::{Answer, Ask, ClaimAsk, ClaimFrom, Database, Flaws, Micros, Taken};

/// The model, with a clock that only the stories move.
pub(crate) struct Model {
    database: Database,
    now: Micros,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            database: Database::new(Partition::all(), Flaws::default()),
            now: 0,
        }
    }

    fn run(&mut self, ask: &Ask) -> Answer {
        let begun = self.database.begin(ask);
        self.database
            .commit(ask, begun, self.now, &mut Vec::new())
            .expect("nobody else holds a lock")
    }
}

fn everywhere(token: Token) -> Vec<(Partition, Token)> {
    Partition::all()
        .map(|partition| (partition, token))
        .collect()
}

impl Stored for Model {
    async fn accept(&mut self, message: NewMessage) -> (MessageId, bool) {
        let ask = Ask::Accept {
            messages: vec![message],
            is_replay: false,
        };
        match self.run(&ask) {
            Answer::Accepted(receipts) => receipts[0],
            other => panic!("{other:?}"),
        }
    }

    async fn accept_and_leave(&mut self, message: NewMessage) {
        self.accept(message).await;
    }

    async fn own(&mut self, worker: &str) -> Token {
        self.database.give_all_to(&WorkerId::new(worker))
    }

    async fn claim(&mut self, worker: &str, token: Token, in_hand: &[MessageId]) -> Vec<Taken> {
        let mut partitions = Vec::new();
        for priority in Priority::ALL {
            partitions.extend(
                everywhere(token)
                    .into_iter()
                    .map(|(partition, token)| ClaimFrom {
                        partition,
                        token,
                        priority,
                        messages_max: 100,
                        lowest: MessageId(0),
                        watched: true,
                    }),
            );
        }
        let ask = Ask::Claim(ClaimAsk {
            worker: WorkerId::new(worker),
            partitions,
            in_hand: in_hand.iter().copied().collect::<BTreeSet<_>>(),
            looks: Vec::new(),
            finished: Vec::new(),
        });
        match self.run(&ask) {
            Answer::Claimed(brought) => brought.messages,
            other => panic!("{other:?}"),
        }
    }

    async fn settle(&mut self, worker: &str, settlement: Settlement) -> Settled {
        let ask = Ask::Settle {
            worker: WorkerId::new(worker),
            settlements: vec![settlement],
        };
        match self.run(&ask) {
            Answer::Settled(answers) => answers[0],
            other => panic!("{other:?}"),
        }
    }

    async fn take_over(&mut self, worker: &str, token: Token) -> TakenOver {
        let ask = Ask::TakeOver {
            worker: WorkerId::new(worker),
            leases: everywhere(token),
            sends: vec![SEND],
        };
        match self.run(&ask) {
            Answer::TakenOver(found) => found,
            other => panic!("{other:?}"),
        }
    }

    async fn release(&mut self, worker: &str, message: ClaimRef, behind: bool) {
        self.run(&Ask::Release {
            worker: WorkerId::new(worker),
            messages: vec![(message, behind)],
        });
    }

    async fn claim_behind(&mut self, worker: &str, token: Token, key: &Key) -> Vec<Taken> {
        let look = look(key);
        let ask = Ask::Claim(ClaimAsk {
            worker: WorkerId::new(worker),
            partitions: Vec::new(),
            in_hand: BTreeSet::new(),
            looks: vec![(look, token)],
            finished: Vec::new(),
        });
        match self.run(&ask) {
            Answer::Claimed(brought) => brought.looked,
            other => panic!("{other:?}"),
        }
    }

    async fn promote(&mut self, _worker: &str) -> usize {
        match self.run(&Ask::Promote(Partition::all().collect())) {
            Answer::Promoted(promoted, _) => promoted.len(),
            other => panic!("{other:?}"),
        }
    }

    async fn lift(&mut self, _worker: &str, key: &Key, head: MessageId) {
        self.run(&Ask::Lift(vec![(key.partition(), key.clone(), head)]));
    }

    async fn pass(&mut self, time: Duration) {
        self.now += micros(time);
    }
}
