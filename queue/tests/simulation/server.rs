//! Postgres as a server around the model: it is up or not, statements are under way in it, its clock is its own, and answers
//! get lost.

use std::collections::BTreeMap;

use rand::Rng;
use sallyport_queue::Partition;

use crate::constants::{MILLISECOND, SECOND};
use crate::context::Context;
use crate::event::{Event, Failure};
use crate::model::{Ask, Begun, Database, Fact, Flaws, Micros, Waits};
use crate::plant::Plant;

/// `statement_timeout`: what takes longer is rolled back.
const STATEMENT_TIMEOUT: Micros = 5 * SECOND;

/// The server.
pub(crate) struct Server {
    pub(crate) database: Database,
    pub(crate) up: bool,
    /// Until then nothing that is sent arrives, and nothing that is answered.
    pub(crate) black_hole_until: Micros,
    pub(crate) clock_offset: Micros,
    under_way: BTreeMap<u64, (Ask, Begun, Micros)>,
}

impl Server {
    pub(crate) fn new(
        partitions: impl IntoIterator<Item = Partition>,
        plant: Option<Plant>,
    ) -> Self {
        let flaws = Flaws {
            no_fence: plant == Some(Plant::NoFence),
            no_counting: plant == Some(Plant::TakeoverWithoutCounting),
            replay_without_pair: plant == Some(Plant::ReplayWithoutPair),
            numbers_at_once: plant == Some(Plant::NumberedAtOnce),
        };
        Self {
            database: Database::new(partitions, flaws),
            up: true,
            black_hole_until: 0,
            clock_offset: 0,
            under_way: BTreeMap::new(),
        }
    }

    /// The time by its own clock.
    pub(crate) fn clock(&self, context: &Context) -> Micros {
        context.now + self.clock_offset
    }

    pub(crate) fn start(&mut self, context: &mut Context) {
        if !self.up {
            self.up = true;
            context.say("postgres", format_args!("is back"));
        }
    }

    /// Everything that was not committed is gone.
    pub(crate) fn crash(&mut self, context: &mut Context) {
        self.up = false;
        let gap = context.rng.random_range(0..33);
        self.database.crash(gap);
        for (number, _) in std::mem::take(&mut self.under_way) {
            let soon = context.between(MILLISECOND, 50 * MILLISECOND);
            context.after(soon, Event::ConnectionLost(number));
        }
    }

    pub(crate) fn receive(&mut self, number: u64, ask: Ask, context: &mut Context) {
        if context.now < self.black_hole_until {
            return;
        }
        if !self.up {
            let refused = Event::Reply(number, Err(Failure::Refused));
            context.after(MILLISECOND, refused);
            return;
        }
        let begun = self.database.begin(&ask);
        self.under_way.insert(number, (ask, begun, context.now));
        let mut takes = context.between(200, 10 * MILLISECOND);
        if context.happens(context.constants.odds.stalled) {
            takes = context.between(0, 8 * SECOND);
        }
        if takes > STATEMENT_TIMEOUT {
            context.after(STATEMENT_TIMEOUT, Event::TooLong(number));
        } else {
            context.after(takes, Event::Commit(number));
        }
    }

    pub(crate) fn too_long(&mut self, number: u64, context: &mut Context) {
        if let Some((_, begun, _)) = self.under_way.remove(&number) {
            self.database.abort(&begun);
            context.after(MILLISECOND, Event::Reply(number, Err(Failure::Late)));
        }
    }

    pub(crate) fn commit(&mut self, number: u64, workers: usize, context: &mut Context) {
        let Some((ask, begun, since)) = self.under_way.remove(&number) else {
            return;
        };
        let clock = self.clock(context);
        let mut facts = Vec::new();
        match self.database.commit(&ask, begun, clock, &mut facts) {
            Ok(answer) => {
                for fact in &facts {
                    self.tell(fact, clock, workers, context);
                }
                let heard = context.now >= self.black_hole_until;
                if heard && !context.happens(context.constants.odds.lost) {
                    let way = context.between(100, 2 * MILLISECOND);
                    context.after(way, Event::Reply(number, Ok(answer)));
                }
            }
            Err(Waits(begun)) => {
                let too_long = context.now - since >= STATEMENT_TIMEOUT;
                self.under_way.insert(number, (ask, begun, since));
                let next = match too_long {
                    true => Event::TooLong(number),
                    false => Event::Commit(number),
                };
                context.after(5 * MILLISECOND, next);
            }
        }
    }

    /// What a commit changed, to the checker, to the trace and to whoever is to be woken.
    fn tell(&self, fact: &Fact, clock: Micros, workers: usize, context: &mut Context) {
        let now = context.now;
        context.checker.saw(fact, now, clock);
        match fact {
            Fact::Stored { id, message } => {
                context.say(
                    "postgres",
                    format_args!("stores {} as {} of {}", Payload(message), id.0, message.key),
                );
                for worker in 0..workers {
                    if !context.happens(context.constants.odds.unheard) {
                        let way = context.between(MILLISECOND, 50 * MILLISECOND);
                        context.after(way, Event::Woken(worker, message.key.partition()));
                    }
                }
            }
            Fact::Ended { id, outcome, .. } => {
                context.say("postgres", format_args!("ends {}: {outcome}", id.0));
            }
            Fact::Returned { id, .. } => {
                context.say("postgres", format_args!("returns {}", id.0));
            }
            Fact::Granted { partition, token } => context.say(
                "postgres",
                format_args!("grants partition {partition} under token {}", token.0),
            ),
            Fact::Released(id) => context.say("postgres", format_args!("has {} back", id.0)),
            Fact::Interrupted { id, .. } => {
                context.say(
                    "postgres",
                    format_args!("counts a lost attempt at {}", id.0),
                );
            }
            Fact::Promoted { id, .. } => {
                context.say("postgres", format_args!("makes {} ready", id.0));
            }
        }
    }
}

/// The number of a delivery, for people.
struct Payload<'m>(&'m sallyport_queue::NewMessage);

impl std::fmt::Display for Payload<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = String::from_utf8_lossy(&self.0.payload);
        write!(formatter, "{} {number}", self.0.kind)
    }
}
