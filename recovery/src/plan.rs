//! Which backup leads to a moment, and by which segments of the log. Decided and checked before anything is written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::archive::Archived;
use crate::error::Trouble;
use crate::manifest::Manifest;
use crate::shelf::{Named, Shelf};
use crate::wal::{Lineage, Segment};

/// Where to restore to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The state at this moment.
    At(Timestamp),
    /// As far as the archive goes.
    Latest,
}

/// Why there is no way to the target.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// What is there cannot be used.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// Nothing was ever backed up.
    #[error("there is no backup in {}", directory.display())]
    NoBackup {
        /// Where we looked.
        directory: PathBuf,
    },
    /// There is no backup of this name.
    #[error("there is no backup {id}; there are {known}")]
    Unknown {
        /// The name.
        id: String,
        /// The names that there are.
        known: String,
    },
    /// The moment lies before the first backup.
    #[error(
        "{asked} is before the first backup; the earliest moment that can be restored is {earliest}"
    )]
    TooEarly {
        /// What was asked for.
        asked: Timestamp,
        /// What is possible.
        earliest: Timestamp,
    },
    /// The moment lies behind the last transaction of the archive.
    #[error(
        "{asked} is after the last transaction of the archive; the latest moment that can be restored is {latest}, or choose --latest"
    )]
    TooLate {
        /// What was asked for.
        asked: Timestamp,
        /// What is possible.
        latest: Timestamp,
    },
    /// The archive has no history for the line asked for.
    #[error("the archive knows no timeline {timeline} that this backup belongs to")]
    NoTimeline {
        /// The timeline.
        timeline: u32,
    },
}

/// The way to a target.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) manifest: Manifest,
    pub(crate) folder: PathBuf,
    pub(crate) line: Lineage,
    /// The archived segments that follow on the backup without a gap.
    pub(crate) segments: Vec<Archived>,
}

/// Finds the way to `target`: over the newest backup before it that lies on the line of `timeline`, else on the newest line.
pub(crate) fn find(
    shelf: &Shelf,
    target: Target,
    id: Option<&str>,
    timeline: Option<u32>,
) -> Result<Way, PlanError> {
    let manifests = shelf.list()?;
    if manifests.is_empty() {
        return Err(PlanError::NoBackup {
            directory: shelf.base(),
        });
    }
    let known: Vec<String> = manifests.iter().map(|(id, _)| id.clone()).collect();
    if let Some(id) = id {
        let chosen = manifests.into_iter().find(|(name, _)| name == id);
        let (_, manifest) = chosen.ok_or_else(|| PlanError::Unknown {
            id: id.to_owned(),
            known: known.join(", "),
        })?;
        let manifest = manifest?;
        let line = match timeline {
            Some(timeline) => line_of(shelf, timeline)?,
            None => newest_line(shelf, &[&manifest])?,
        };
        return way(shelf, manifest, line);
    }
    let good: Vec<&Manifest> = manifests
        .iter()
        .filter_map(|(_, manifest)| manifest.as_ref().ok())
        .collect();
    let line = match timeline {
        Some(timeline) => line_of(shelf, timeline)?,
        None => newest_line(shelf, &good)?,
    };
    let manifest = choose(manifests, target, &line)?;
    way(shelf, manifest, line)
}

/// The newest backup on the line from before the target. A damaged manifest in the way is told, not stepped over.
fn choose(manifests: Vec<Named>, target: Target, line: &Lineage) -> Result<Manifest, PlanError> {
    let mut earliest = None;
    for (id, manifest) in manifests.into_iter().rev() {
        let manifest = match manifest {
            Ok(manifest) => manifest,
            Err(damage) if may_be_before(&id, target) => return Err(damage.into()),
            Err(_) => continue,
        };
        if !line.holds(manifest.server.timeline, manifest.end()?) {
            continue;
        }
        match target {
            Target::At(moment) if manifest.ended_at > moment => earliest = Some(manifest.ended_at),
            Target::At(_) | Target::Latest => return Ok(manifest),
        }
    }
    match (target, earliest) {
        (Target::At(asked), Some(earliest)) => Err(PlanError::TooEarly { asked, earliest }),
        (Target::At(_) | Target::Latest, _) => Err(PlanError::NoTimeline {
            timeline: line.timeline,
        }),
    }
}

/// A backup's name is when it began, to the millisecond.
fn may_be_before(id: &str, target: Target) -> bool {
    match target {
        Target::At(moment) => *id <= *crate::shelf::id_of(moment),
        Target::Latest => true,
    }
}

/// The line of a timeline that somebody named.
fn line_of(shelf: &Shelf, timeline: u32) -> Result<Lineage, PlanError> {
    let line = shelf.archive().lineage(timeline)?;
    line.ok_or(PlanError::NoTimeline { timeline })
}

/// The newest timeline that anything was written on: a restore somewhere else leaves a history behind, but no segments.
fn newest_line(shelf: &Shelf, good: &[&Manifest]) -> Result<Lineage, PlanError> {
    let archive = shelf.archive();
    let bytes = good.last().map_or(0, |last| last.server.segment_bytes);
    let segments = archive.segments(bytes)?;
    let of_backups = good.iter().map(|manifest| manifest.server.timeline);
    let mut timelines: Vec<u32> = segments
        .keys()
        .map(|segment| segment.timeline)
        .chain(of_backups)
        .collect();
    timelines.sort_unstable();
    timelines.dedup();
    for timeline in timelines.iter().rev() {
        if let Some(line) = archive.lineage(*timeline)? {
            return Ok(line);
        }
    }
    // Without an archive a backup stands on its own.
    Ok(Lineage::alone(timelines.last().copied().unwrap_or(1)))
}

fn way(shelf: &Shelf, manifest: Manifest, line: Lineage) -> Result<Way, PlanError> {
    if !line.holds(manifest.server.timeline, manifest.end()?) {
        return Err(PlanError::NoTimeline {
            timeline: line.timeline,
        });
    }
    let bytes = manifest.server.segment_bytes;
    let archived = shelf.archive().segments(bytes)?;
    let (start, end) = (manifest.start()?, manifest.end()?);
    let own = manifest.server.timeline;
    let first = Segment::at(own, start, bytes).number;
    let last_of_base = Segment::at(own, end, bytes).number;
    let segments = follow(&archived, &line, first, last_of_base, bytes);
    Ok(Way {
        folder: shelf.folder(&manifest.id),
        manifest,
        line,
        segments,
    })
}

/// The segments from `first` on until one is missing. Those that came with the backup itself need not be in the archive.
fn follow(
    archived: &BTreeMap<Segment, Archived>,
    line: &Lineage,
    first: u64,
    last_of_base: u64,
    bytes: u64,
) -> Vec<Archived> {
    let mut way = Vec::new();
    for number in first.. {
        let found = line
            .timelines_of(number, bytes)
            .find_map(|timeline| archived.get(&Segment { timeline, number }));
        match found {
            Some(segment) => way.push(segment.clone()),
            None if number <= last_of_base => {}
            None => break,
        }
    }
    way
}

impl Way {
    /// Compares everything on the way with its checksum. Reads all of it.
    pub(crate) fn verify(&self) -> Result<(), Trouble> {
        self.manifest.verify(&self.folder)?;
        self.segments.iter().try_for_each(Archived::verify)
    }
}
