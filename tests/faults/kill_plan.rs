//! When a process is killed: at every kill point so many times, and at random times in between, in an order that the seed decides.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::seq::SliceRandom;

use crate::row::Stage;

/// How often each point is hit at full length.
const EACH_POINT: usize = 20;
/// How often a process is killed at a random time at full length.
const AT_RANDOM: usize = 200;
/// How many messages may pass a point before it stops one.
const PASSING_MAX: u32 = 25;
/// The longest that a process lives before it is killed at a random time.
const LIFE_MAX_MS: u64 = 1_500;

/// One kill.
#[derive(Debug, Clone)]
pub(crate) enum Kill {
    /// As soon as the point is reached.
    At {
        point: &'static str,
        /// The point as the process is told to arm it.
        armed: String,
    },
    /// After this time.
    After(Duration),
}

/// What has been done of a plan.
#[derive(Debug, Default)]
pub(crate) struct Done {
    counts: BTreeMap<&'static str, usize>,
    /// Points that were not reached in time.
    pub(crate) missed: Vec<&'static str>,
}

impl Done {
    /// One more of this kind.
    pub(crate) fn note(&mut self, kind: &'static str) {
        *self.counts.entry(kind).or_default() += 1;
    }

    /// `K5 ×20, random ×200`.
    pub(crate) fn words(&self) -> String {
        let words: Vec<String> = self
            .counts
            .iter()
            .map(|(kind, count)| format!("{kind} ×{count}"))
            .collect();
        words.join(", ")
    }
}

/// All kills of a row. A short row takes from the front until its time is over, and every point once before any twice.
pub(crate) fn plan(stage: &mut Stage, points: &[&'static str], hold: &str) -> Vec<Kill> {
    let mut kills = Vec::new();
    for _ in 0..EACH_POINT {
        let mut round: Vec<Kill> = points
            .iter()
            .map(|point| {
                // Batches pass K11, and one outage makes few of them.
                let passing_max = if *point == "K11" { 1 } else { PASSING_MAX };
                let passing = stage.rng.random_range(0..passing_max);
                let hold = if *point == "K10" { hold } else { "" };
                Kill::At {
                    point,
                    armed: format!("{point}={passing}*off->1*return{hold}"),
                }
            })
            .collect();
        for _ in 0..AT_RANDOM / EACH_POINT {
            let life = stage.rng.random_range(0..LIFE_MAX_MS);
            round.push(Kill::After(Duration::from_millis(life)));
        }
        if !stage.is_short {
            round.shuffle(&mut stage.rng);
        }
        kills.extend(round);
    }
    kills
}

/// Whether a row has time for one more kill.
pub(crate) fn goes_on(stage: &Stage, began: Instant) -> bool {
    !stage.is_short || began.elapsed() < stage.lasting
}
