//! F41: the time of a comparison says nothing about what is compared. No house is needed: samples are taken in this process, of the
//! comparison that all signatures and tokens go through, and of a naive one that must be found out by the same eyes.

use std::hint::black_box;
use std::time::Instant;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rand::Rng;
use rand::rngs::StdRng;
use sallyport_security::signature::{MacHash, MacKey};
use sallyport_security::{Digest, constant_time_eq};

use crate::row::{Duplicates, Outcome, Row, Stage};

pub(crate) const ROW: Row = Row {
    id: "F41",
    fault: "10⁵ samples each of comparing candidates that share all bytes but the last with the right one, and random ones, interleaved",
    allowed: "Welch's t within ±4.5 for MACs, tokens and digests; a naive comparison is found out",
    duplicates: Duplicates::Never,
    run,
};

/// Samples of each comparison; half of them with an equal prefix.
const SAMPLES: usize = 100_000;
/// Comparisons in one sample: a clock's tick is longer than one of them.
const BATCH: usize = 16;
/// Beyond this the slowest samples are the scheduler's and say nothing about us.
const KEPT_PERCENT: usize = 95;
/// What dudect calls a leak.
const T_MAX: f64 = 4.5;
/// Comparisons are looked at again this often before a leak is believed: chance finds one in 150,000 looks, a busy machine more.
const LOOKS: usize = 3;
/// Bytes of a MAC.
const BYTES: usize = 32;

/// Compares a candidate with what is right.
type Compare<'c> = &'c dyn Fn(&[u8; BYTES]) -> bool;

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    let outcome = measure(&mut stage.rng);
    std::future::ready(outcome).boxed_local()
}

fn measure(rng: &mut StdRng) -> Outcome {
    let body = b"a body that somebody has signed";
    let key = MacKey::new(MacHash::Sha256, b"a key of thirty-two bytes or more");
    let right: [u8; BYTES] = key.sign(&[body]).as_bytes().try_into().unwrap();
    let known = Digest::of(&right);
    let mac = |candidate: &[u8; BYTES]| key.matches_any(&[body], [candidate.as_slice()]);
    let token = |candidate: &[u8; BYTES]| known.matches(candidate);
    let secret = |candidate: &[u8; BYTES]| constant_time_eq(&right, candidate);
    let naive = |candidate: &[u8; BYTES]| stops_early(&right, candidate);

    let mut outcome = Outcome::default();
    let ours: [(&str, Compare<'_>); 3] =
        [("a MAC", &mac), ("a token", &token), ("a secret", &secret)];
    for (name, compare) in ours {
        let t = least(rng, &right, compare);
        outcome.check(format!("{name}: t = {t:.2} (4.5)"), t.abs() < T_MAX);
        outcome.check(format!("{name}: the right one is found"), compare(&right));
    }
    let t = welch(&samples(rng, &right, &naive));
    let words = format!("a naive comparison is found out: t = {t:.0}");
    outcome.check(words, t.abs() > T_MAX);
    outcome
}

/// The quietest of several looks.
fn least(rng: &mut StdRng, right: &[u8; BYTES], compare: Compare<'_>) -> f64 {
    let mut least = f64::INFINITY;
    for _ in 0..LOOKS {
        let t = welch(&samples(rng, right, compare));
        if t.abs() < least.abs() {
            least = t;
        }
        if least.abs() < T_MAX {
            break;
        }
    }
    least
}

/// What a comparison must not be.
fn stops_early(left: &[u8], right: &[u8]) -> bool {
    left.iter()
        .zip(right)
        .all(|(left, right)| black_box(left) == black_box(right))
}

/// Nanoseconds of each sample: with an equal prefix, and random. Which comes next is thrown, so that nothing else can tell them apart.
fn samples(rng: &mut StdRng, right: &[u8; BYTES], compare: Compare<'_>) -> [Vec<f64>; 2] {
    let mut taken = [Vec::new(), Vec::new()];
    for _ in 0..SAMPLES {
        let is_close: bool = rng.random();
        let candidates: Vec<[u8; BYTES]> = (0..BATCH)
            .map(|_| {
                let random: [u8; BYTES] = rng.random();
                // Both are drawn, whichever is taken: drawing must not tell them apart either.
                let mut close = *right;
                close[BYTES - 1] ^= 1 + random[0] % 255;
                if is_close { close } else { random }
            })
            .collect();
        let began = Instant::now();
        for candidate in &candidates {
            black_box(compare(black_box(candidate)));
        }
        let took = began.elapsed().as_nanos();
        let took = f64::from(u32::try_from(took).unwrap_or(u32::MAX));
        taken[usize::from(is_close)].push(took);
    }
    // One threshold for both kinds, or cropping itself would make a difference.
    let mut all: Vec<f64> = taken.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let threshold = all[all.len() * KEPT_PERCENT / 100];
    taken.map(|kind| kind.into_iter().filter(|took| *took <= threshold).collect())
}

/// Welch's t of two kinds of samples.
fn welch([left, right]: &[Vec<f64>; 2]) -> f64 {
    let ((left_mean, left_error), (right_mean, right_error)) = (moments(left), moments(right));
    (left_mean - right_mean) / (left_error + right_error).sqrt().max(f64::MIN_POSITIVE)
}

/// The mean, and the variance of the mean.
fn moments(samples: &[f64]) -> (f64, f64) {
    let count = f64::from(u32::try_from(samples.len()).unwrap());
    let mean = samples.iter().sum::<f64>() / count;
    let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
    (mean, squares / (count - 1.0) / count)
}
