//! The manifest of a backup: what it is, when it was made, and a checksum of everything in it, itself included.
//!
//! Postgres writes a manifest of its own, with a SHA-256 for each file of the copy but the log. Ours names the rest: the log
//! that came with the copy, the sealed settings, and Postgres's manifest itself. A file that neither names is refused, too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::disk;
use crate::error::Trouble;
use crate::wal::Lsn;

/// The format that this version writes.
pub(crate) const FORMAT: u32 = 1;
/// The copy of the cluster, below a backup's folder.
pub(crate) const DATA: &str = "data";
/// The sealed settings, below a backup's folder.
pub(crate) const SETTINGS: &str = "settings.sealed";
/// This file, below a backup's folder. A backup without it does not exist.
pub(crate) const MANIFEST: &str = "manifest.json";
/// Postgres's own, below [`DATA`].
const POSTGRES_MANIFEST: &str = "backup_manifest";

/// What is known of a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of this file.
    pub format: u32,
    /// The backup's name: when it began.
    pub id: String,
    /// The version of Sallyport that made it.
    pub sallyport: String,
    /// The server that it was made of.
    pub server: Server,
    /// When it began, by the server's clock.
    pub begun_at: Timestamp,
    /// When the copy was complete, by the server's clock: the earliest moment that can be restored from it.
    pub ended_at: Timestamp,
    /// Where the log that it needs begins.
    pub start: String,
    /// Where the copy is consistent.
    pub end: String,
    /// The moment to which `counts` belong; absent when they could not be taken.
    pub restore_point: Option<String>,
    /// Rows of each table at the restore point.
    pub counts: BTreeMap<String, i64>,
    /// Whether the log went on into the archive when it was made, so that later moments can be restored.
    pub archived: bool,
    /// What Postgres's manifest does not name.
    pub files: Vec<Sum>,
    /// Bytes of all files.
    pub bytes: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// The server that a backup was made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// For example 150018.
    pub version: u32,
    /// The cluster's own name.
    pub system: String,
    /// The branch of its history.
    pub timeline: u32,
    /// Bytes of a segment of its log.
    pub segment_bytes: u64,
    /// The first superuser's name.
    pub superuser: String,
    /// The house's database.
    pub database: String,
    /// Settings that a restored server must not have less of.
    pub settings: BTreeMap<String, String>,
}

impl Server {
    /// 15 of 150018.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.version / 10_000
    }
}

/// A file's checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Below the backup's folder.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Of its content, in hexadecimal digits.
    pub sha256: String,
}

/// The manifest as it lies on disk: its own checksum goes first.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed<'a> {
    sha256: String,
    #[serde(borrow)]
    manifest: &'a RawValue,
}

#[derive(Deserialize)]
struct PostgresManifest {
    #[serde(rename = "Files")]
    files: Vec<PostgresFile>,
    #[serde(rename = "WAL-Ranges")]
    ranges: Vec<PostgresRange>,
}

#[derive(Deserialize)]
struct PostgresFile {
    #[serde(rename = "Path")]
    path: String,
    #[serde(rename = "Size")]
    bytes: u64,
    #[serde(rename = "Checksum")]
    sha256: String,
}

/// Where the log that a copy needs begins and ends.
#[derive(Deserialize)]
pub(crate) struct PostgresRange {
    #[serde(rename = "Timeline")]
    pub(crate) timeline: u32,
    #[serde(rename = "Start-LSN")]
    pub(crate) start: String,
    #[serde(rename = "End-LSN")]
    pub(crate) end: String,
}

impl Manifest {
    /// Reads the manifest of the backup in `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Self, Trouble> {
        let path = folder.join(MANIFEST);
        let bytes = disk::read(&path)?;
        let damaged = |reason: &str| Trouble::damaged(&path, reason);
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not text"))?;
        let signed: Signed<'_> =
            serde_json::from_str(text).map_err(|_| damaged("it is not a manifest"))?;
        if disk::sum_of(signed.manifest.get().as_bytes()) != signed.sha256 {
            return Err(damaged("its checksum does not match"));
        }
        let manifest: Self = serde_json::from_str(signed.manifest.get())
            .map_err(|_| damaged("it is of another version"))?;
        if manifest.format != FORMAT {
            return Err(damaged("it is of another version"));
        }
        Ok(manifest)
    }

    /// Writes it, last and whole.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Trouble> {
        let bug = |_| Trouble::Bug("a manifest could not be written as JSON");
        let text = serde_json::to_string(self).map_err(bug)?;
        let manifest = RawValue::from_string(text).map_err(bug)?;
        let signed = Signed {
            sha256: disk::sum_of(manifest.get().as_bytes()),
            manifest: &manifest,
        };
        let text = serde_json::to_string(&signed).map_err(bug)?;
        Ok(disk::write_whole(&folder.join(MANIFEST), text.as_bytes())?)
    }

    pub(crate) fn start(&self) -> Result<Lsn, Trouble> {
        let bug = |()| Trouble::Bug("a manifest names no position in the log");
        self.start.parse().map_err(bug)
    }

    pub(crate) fn end(&self) -> Result<Lsn, Trouble> {
        let bug = |()| Trouble::Bug("a manifest names no position in the log");
        self.end.parse().map_err(bug)
    }

    /// Compares every file of the backup in `folder` with its checksum. Reads everything; takes as long as the disk does.
    pub(crate) fn verify(&self, folder: &Path) -> Result<(), Trouble> {
        // Our own sums go first: they cover Postgres's manifest, on which the rest stands.
        let mut named: BTreeSet<PathBuf> = BTreeSet::from([MANIFEST.into()]);
        for sum in &self.files {
            sum.verify(folder)?;
            named.insert(sum.path.clone().into());
        }
        for sum in postgres(folder)?.0 {
            sum.verify(folder)?;
            named.insert(sum.path.into());
        }
        match disk::files_below(folder)?
            .into_iter()
            .find(|file| !named.contains(file))
        {
            Some(stranger) => Err(Trouble::damaged(
                folder.join(stranger),
                "no manifest names it",
            )),
            None => Ok(()),
        }
    }

    /// Whether the settings were kept.
    #[must_use]
    pub fn has_settings(&self) -> bool {
        self.files.iter().any(|sum| sum.path == SETTINGS)
    }
}

impl Sum {
    /// Takes the checksum of a file.
    pub(crate) fn take(folder: &Path, path: &Path) -> Result<Self, Trouble> {
        let (bytes, sha256) = disk::sum(&folder.join(path))?;
        Ok(Self {
            path: path.to_string_lossy().into_owned(),
            bytes,
            sha256,
        })
    }

    fn verify(&self, folder: &Path) -> Result<(), Trouble> {
        let file = folder.join(&self.path);
        if !file.is_file() {
            return Err(Trouble::damaged(file, "it is missing"));
        }
        let (bytes, sha256) = disk::sum(&file)?;
        if bytes != self.bytes {
            let reason = format!("it has {bytes} bytes and should have {}", self.bytes);
            return Err(Trouble::damaged(file, reason));
        }
        if sha256 != self.sha256 {
            return Err(Trouble::damaged(file, "its checksum does not match"));
        }
        Ok(())
    }
}

/// Sums of the files that Postgres's manifest does not name, and the sizes of those that it does.
pub(crate) fn sums_of_the_rest(folder: &Path) -> Result<(Vec<Sum>, u64), Trouble> {
    let (named, _) = postgres(folder)?;
    let known: BTreeSet<&str> = named.iter().map(|sum| sum.path.as_str()).collect();
    let mut bytes: u64 = named.iter().map(|sum| sum.bytes).sum();
    let mut rest = Vec::new();
    for file in disk::files_below(folder)? {
        if !known.contains(file.to_string_lossy().as_ref()) {
            let sum = Sum::take(folder, &file)?;
            bytes += sum.bytes;
            rest.push(sum);
        }
    }
    Ok((rest, bytes))
}

/// What Postgres says of its copy.
pub(crate) fn postgres(folder: &Path) -> Result<(Vec<Sum>, PostgresRange), Trouble> {
    let path = folder.join(DATA).join(POSTGRES_MANIFEST);
    let damaged = |reason: &str| Trouble::damaged(&path, reason);
    let manifest: PostgresManifest = serde_json::from_slice(&disk::read(&path)?)
        .map_err(|_| damaged("it is not a manifest of Postgres that we can read"))?;
    let range = manifest.ranges.into_iter().next_back();
    let range = range.ok_or_else(|| damaged("it names no part of the log"))?;
    let sums = manifest.files.into_iter().map(|file| Sum {
        path: format!("{DATA}/{}", file.path),
        bytes: file.bytes,
        sha256: file.sha256,
    });
    Ok((sums.collect(), range))
}
