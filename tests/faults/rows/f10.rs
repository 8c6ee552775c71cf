//! F10: the edge is killed with messages in its spool, and files are damaged before it starts again: torn tails, flipped bits, cut ends.
//!
//! A record whose own bytes were changed cannot come back, whatever anybody does: exactly those are excused, and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rand::Rng;
use rand::rngs::StdRng;

use crate::checker::Number;
use crate::kill_plan::goes_on;
use crate::load::MARK;
use crate::proxy::Way;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};

pub(crate) const ROW: Row = Row {
    id: "F10",
    fault: "torn tail, flipped bits, cut ends in the segments of a killed edge's spool",
    allowed: "lost 0 but for records whose own bytes were changed; duplicates only with their record; damaged files are kept; ready in 3 s, never a panic",
    // The spool fills while Postgres is away, and that is K8 for whatever was being sent.
    duplicates: Duplicates::Ambiguous,
    run,
};

/// How often at full length.
const ROUNDS: usize = 40;
/// How long the spool is filled, before the damage and after it.
const FILLING: Duration = Duration::from_millis(1_200);
/// How soon an edge with damaged files must take messages.
const READY_MAX: Duration = Duration::from_secs(3);
/// How soon what is left must be replayed.
const DRAINED_WITHIN: Duration = Duration::from_secs(20);
/// Flipped bits in one file.
const FLIPS: usize = 3;
/// Two copies of a head of 72 bytes begin a segment; each record has a head of 32 bytes, with its length behind the marker.
const SEGMENT_HEAD_BYTES: usize = 2 * 72;
const RECORD_HEAD_BYTES: usize = 32;
const RECORD_MARKER: [u8; 4] = [0xf5, b's', b'p', 0x0a];

/// A record in a file, from its head to its end.
struct Place {
    from: usize,
    to: usize,
    number: Option<Number>,
}

/// What was done to files.
#[derive(Default)]
struct Damage {
    torn: usize,
    flipped: usize,
    cut: usize,
    spoiled: BTreeSet<Number>,
}

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    damage_files(stage).boxed_local()
}

async fn damage_files(stage: &mut Stage) -> Outcome {
    let mut site = stage.open().await;
    if !site.has_spool().await {
        return Outcome::not_available("the edge has no spool");
    }
    let load = site.load(stage.base);
    let (began, mut rounds, mut damage) = (Instant::now(), 0, Damage::default());
    let (mut slowest, mut undrained) = (Duration::ZERO, 0);
    while rounds < ROUNDS && (rounds < 2 || goes_on(stage, began)) {
        site.postgres.switch(Way::Refuse);
        tokio::time::sleep(FILLING).await;
        site.gateway.kill();
        for file in segments(&site.spool_folder()) {
            damage.spoil(&file, rounds, &mut stage.rng);
        }
        site.gateway.start(&site.outfit, "");
        let ready = site.gateway.wait_ready(&site.outfit, &site.client).await;
        slowest = slowest.max(ready);
        tokio::time::sleep(FILLING).await;
        site.postgres.switch(Way::Pass);
        if site.drains(DRAINED_WITHIN).await.is_none() {
            undrained += 1;
        }
        rounds += 1;
    }
    let panicked = site.gateway.log(&site.outfit).contains("panicked");
    let kept = kept_files(&site.spool_folder());

    let evidence = site.evidence_without(load, &damage.spoiled).await;
    let mut outcome = Outcome::of(evidence);
    let Damage {
        torn,
        flipped,
        cut,
        spoiled,
    } = &damage;
    outcome.fact(format!("{rounds} rounds: {torn} torn tails, {flipped} flipped bits, {cut} cut ends; {} records spoiled", spoiled.len()));
    outcome.check(
        format!("ready after {} at most (3 s)", spell(Some(slowest))),
        slowest <= READY_MAX,
    );
    outcome.check(
        format!("spools that were not replayed in 20 s: {undrained}"),
        undrained == 0,
    );
    outcome.check(format!("damaged files kept: {kept}"), kept > 0);
    outcome.check("nobody panicked", !panicked);
    outcome
}

impl Damage {
    /// Damages one file, in a way that its round decides.
    fn spoil(&mut self, file: &Path, round: usize, rng: &mut StdRng) {
        let mut bytes = std::fs::read(file).unwrap();
        let places = places(&bytes);
        match round % 3 {
            0 => {
                // The beginning of a record whose write a power cut interrupted: nobody has a receipt for it.
                let Some(first) = places.first() else { return };
                let part = rng.random_range(1..first.to - first.from);
                let torn = bytes[first.from..first.from + part].to_vec();
                bytes.extend_from_slice(&torn);
                self.torn += 1;
            }
            1 => {
                for _ in 0..FLIPS {
                    let at = rng.random_range(0..bytes.len());
                    // Both copies of a segment's head would be the whole segment; one of them must not matter.
                    let at = if at < SEGMENT_HEAD_BYTES { at % 72 } else { at };
                    bytes[at] ^= 1 << rng.random_range(0..8);
                    self.note(
                        places
                            .iter()
                            .filter(|place| (place.from..place.to).contains(&at)),
                    );
                    self.flipped += 1;
                }
            }
            _ => {
                let Some(last) = places.last() else { return };
                let end = rng.random_range(last.from + 1..last.to);
                bytes.truncate(end);
                self.note(places.iter().filter(|place| place.to > end));
                self.cut += 1;
            }
        }
        std::fs::write(file, bytes).unwrap();
    }

    fn note<'p>(&mut self, places: impl Iterator<Item = &'p Place>) {
        self.spoiled.extend(places.filter_map(|place| place.number));
    }
}

/// The records of a segment, as far as they are whole.
fn places(bytes: &[u8]) -> Vec<Place> {
    let (mut places, mut from) = (Vec::new(), SEGMENT_HEAD_BYTES);
    while let Some(head) = bytes.get(from..from + RECORD_HEAD_BYTES)
        && head.starts_with(&RECORD_MARKER)
    {
        let length = u32::from_le_bytes(head[4..8].try_into().unwrap()) as usize;
        let to = from + RECORD_HEAD_BYTES + length;
        let Some(record) = bytes.get(from..to) else {
            break;
        };
        places.push(Place {
            from,
            to,
            number: number_in(record),
        });
        from = to;
    }
    places
}

/// The number of the update that a record holds.
fn number_in(record: &[u8]) -> Option<Number> {
    let mark = MARK.as_bytes();
    let at = record.windows(mark.len()).position(|bytes| bytes == mark)?;
    let digits = record[at + mark.len()..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    String::from_utf8(digits.copied().collect())
        .ok()?
        .parse()
        .ok()
}

/// The files of all slots that are named by a number.
fn files(spool: &Path) -> impl Iterator<Item = PathBuf> {
    let slots = std::fs::read_dir(spool).into_iter().flatten().flatten();
    let files = slots.flat_map(|slot| {
        std::fs::read_dir(slot.path())
            .into_iter()
            .flatten()
            .flatten()
    });
    files.map(|file| file.path()).filter(|path| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        name.is_some_and(|name| name.starts_with(|first: char| first.is_ascii_digit()))
    })
}

fn is_kept(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "damaged")
}

fn segments(spool: &Path) -> Vec<PathBuf> {
    files(spool).filter(|path| !is_kept(path)).collect()
}

fn kept_files(spool: &Path) -> usize {
    files(spool).filter(|path| is_kept(path)).count()
}
