//! Many seeds, on every core: none of them may show a violation.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::plant::Plant;
use crate::world::{Outcome, run};

/// How many seeds `make test` runs.
const SEEDS: u64 = 2_000;

/// Runs the seeds `0..count`, and stops soon after the first violation; answers with the outcome of the smallest seed that
/// shows one, or with the sums of all.
pub(crate) fn run_all(count: u64, plant: Option<Plant>) -> Result<Sums, Outcome> {
    let next = AtomicU64::new(0);
    let sums = Mutex::new(Sums::default());
    let worst: Mutex<Option<Outcome>> = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        return;
                    }
                    let outcome = run(seed, plant, false);
                    if outcome.violation.is_some() {
                        // Smaller seeds are under way or done; larger ones are not needed any more.
                        next.fetch_max(count, Ordering::Relaxed);
                        let mut worst = worst.lock().unwrap();
                        if worst.as_ref().is_none_or(|worst| worst.seed > outcome.seed) {
                            *worst = Some(outcome);
                        }
                        return;
                    }
                    sums.lock().unwrap().add(&outcome);
                }
            });
        }
    });
    match worst.into_inner().unwrap() {
        Some(outcome) => Err(outcome),
        None => Ok(sums.into_inner().unwrap()),
    }
}

/// What a run over many seeds came to.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    seeds: u64,
    steps: u64,
    messages: usize,
}

impl Sums {
    fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.steps += outcome.steps;
        self.messages += outcome.messages;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the number of seeds is the one thing that whoever runs the simulation chooses"
)]
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_seed_loses_doubles_or_reorders_anything() {
    if let Some(seed) = asked("SALLYPORT_SIM_SEED") {
        let outcome = run(seed, None, true);
        assert_eq!(outcome.violation, None, "{outcome:?}");
        return;
    }
    let count = asked("SALLYPORT_SIM_SEEDS").unwrap_or(SEEDS);
    let began = Instant::now();
    match run_all(count, None) {
        Ok(sums) => println!("{sums:?} in {:?}", began.elapsed()),
        Err(outcome) => panic!(
            "seed {} shows: {}\nread it step by step with\n  SALLYPORT_SIM_SEED={} cargo test -p sallyport-queue --test simulation no_seed -- --nocapture",
            outcome.seed,
            outcome.violation.as_deref().unwrap_or_default(),
            outcome.seed
        ),
    }
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    for seed in 0..20 {
        assert_eq!(run(seed, None, false), run(seed, None, false));
    }
}
