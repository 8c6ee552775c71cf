//! What every actor of a simulated house shares: the time, the one source of randomness, what is to happen, what has
//! happened, and who watches.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::checker::Checker;
use crate::constants::{Constants, MILLISECOND, SECOND};
use crate::event::{Actor, Event, Tag, Timer};
use crate::model::{Ask, Micros};
use crate::plant::Plant;
use crate::record::Record;

/// How long a statement may be under way before its sender gives up.
const STATEMENT_DEADLINE: Micros = 5 * SECOND;

/// A statement on its way, with whoever waits for it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) from: Actor,
    pub(crate) generation: u32,
    pub(crate) tag: Tag,
}

/// Everything that is shared.
pub(crate) struct Context {
    pub(crate) now: Micros,
    pub(crate) rng: StdRng,
    pub(crate) constants: Constants,
    pub(crate) plant: Option<Plant>,
    pub(crate) checker: Checker,
    pub(crate) record: Record,
    pub(crate) faults: bool,
    pub(crate) requests: BTreeMap<u64, Request>,
    events: BTreeMap<(Micros, u64), Event>,
    born: Instant,
    last_event: u64,
    last_request: u64,
    last_trace: u64,
}

impl Context {
    pub(crate) fn new(seed: u64, plant: Option<Plant>, prints: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let constants = Constants::draw(&mut rng);
        Self {
            now: 0,
            checker: Checker::new(&constants),
            constants,
            rng,
            plant,
            record: Record::new(prints),
            faults: true,
            requests: BTreeMap::new(),
            events: BTreeMap::new(),
            born: Instant::now(),
            last_event: 0,
            last_request: 0,
            last_trace: 0,
        }
    }

    /// Lets something happen after a while.
    pub(crate) fn after(&mut self, wait: Micros, event: Event) {
        self.last_event += 1;
        let at = self.now + wait.max(0);
        self.events.insert((at, self.last_event), event);
    }

    pub(crate) fn timer(&mut self, wait: Micros, who: Actor, generation: u32, timer: Timer) {
        self.after(wait, Event::Timer(who, generation, timer));
    }

    /// The next event; the time goes on to it.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let ((at, _), event) = self.events.pop_first()?;
        self.now = at;
        Some(event)
    }

    /// Sends a statement to Postgres.
    pub(crate) fn ask(&mut self, from: Actor, generation: u32, tag: Tag, ask: Ask) {
        self.last_request += 1;
        let number = self.last_request;
        let request = Request {
            from,
            generation,
            tag,
        };
        self.requests.insert(number, request);
        self.after(STATEMENT_DEADLINE, Event::Deadline(number));
        if self.happens(self.constants.odds.lost) {
            if self.happens(500) {
                let soon = self.between(MILLISECOND, 100 * MILLISECOND);
                self.after(soon, Event::ConnectionLost(number));
            }
            return;
        }
        let mut way = self.between(100, 2 * MILLISECOND);
        if self.happens(self.constants.odds.stalled) {
            way = self.between(0, 12 * SECOND);
        }
        // Its sender may give up before it arrives; it takes effect all the same.
        self.after(way, Event::ToServer(number, Box::new(ask)));
    }

    /// Whether what happens so often of a thousand times happens now; nothing bad does once the faults are over.
    pub(crate) fn happens(&mut self, odds: u32) -> bool {
        let drawn = self.rng.random_range(0..1_000);
        self.faults && drawn < odds
    }

    pub(crate) fn between(&mut self, from: Micros, to: Micros) -> Micros {
        self.rng.random_range(from..=to.max(from))
    }

    /// The monotonic clock of a process that began at `offset` and runs a little fast or slow.
    pub(crate) fn instant(&self, clock: Clock) -> Instant {
        let passed = self.now + self.now / 1_000 * clock.per_mille;
        self.born + Duration::from_micros((clock.offset + passed).unsigned_abs())
    }

    /// A number for a new trace: the same ones for the same seed.
    pub(crate) fn next_trace(&mut self) -> u64 {
        self.last_trace += 1;
        self.last_trace
    }

    /// Writes into the trace.
    pub(crate) fn say(&mut self, who: impl fmt::Display, what: fmt::Arguments<'_>) {
        self.record.say(self.now, who, what);
    }

    pub(crate) fn has(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }
}

/// How one process's monotonic clock differs from the simulation's time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clock {
    pub(crate) offset: Micros,
    pub(crate) per_mille: Micros,
}

impl Clock {
    pub(crate) fn draw(context: &mut Context) -> Self {
        Self {
            offset: context.between(0, 10_000 * SECOND),
            per_mille: context.between(-20, 20),
        }
    }
}

pub(crate) fn micros(duration: Duration) -> Micros {
    Micros::try_from(duration.as_micros()).unwrap_or(Micros::MAX / 4)
}
