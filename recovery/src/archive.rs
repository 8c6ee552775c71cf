//! The archive of the log: `NAME-SHA256.gz`, one file per segment, written by `scripts/archive-wal` or by [`follow`](crate::follow()).
//!
//! The checksum of the compressed bytes is part of the name, so that one rename makes a file and its proof visible together.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::disk;
use crate::error::Trouble;
use crate::wal::{Lineage, Segment};

/// Hexadecimal digits of a SHA-256.
const SUM_DIGITS: usize = 64;

/// The folder of archived segments.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    root: PathBuf,
}

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Archived {
    /// What Postgres calls it: a segment, a history, a note about a backup.
    pub(crate) name: String,
    pub(crate) sha256: String,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) archived_at: SystemTime,
}

impl Archive {
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Everything that was archived, sorted by name. What was not finished is passed over.
    pub(crate) fn list(&self) -> Result<Vec<Archived>, Trouble> {
        let mut found = Vec::new();
        for (file, _) in disk::entries(&self.root)? {
            let Some((name, sha256)) = file
                .strip_suffix(".gz")
                .and_then(|rest| rest.split_once('-'))
                .filter(|(_, sum)| sum.len() == SUM_DIGITS)
            else {
                continue;
            };
            let path = self.root.join(&file);
            // Retention may remove it while we look.
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            found.push(Archived {
                name: name.to_owned(),
                sha256: sha256.to_owned(),
                bytes: metadata.len(),
                archived_at: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                path,
            });
        }
        Ok(found)
    }

    /// The segments by what they are.
    pub(crate) fn segments(
        &self,
        segment_bytes: u64,
    ) -> Result<BTreeMap<Segment, Archived>, Trouble> {
        let mut segments: BTreeMap<Segment, Archived> = BTreeMap::new();
        for archived in self.list()? {
            let Some(segment) = Segment::parse(&archived.name, segment_bytes) else {
                continue;
            };
            if let Some(other) = segments.insert(segment, archived.clone()) {
                let reason = format!("{} claims to be the same segment", other.path.display());
                return Err(Trouble::damaged(archived.path, reason));
            }
        }
        Ok(segments)
    }

    /// The line that leads to `timeline`, from its archived history; the first one has none.
    pub(crate) fn lineage(&self, timeline: u32) -> Result<Option<Lineage>, Trouble> {
        if timeline == 1 {
            return Ok(Some(Lineage::alone(1)));
        }
        let name = format!("{timeline:08X}.history");
        let Some(archived) = self.list()?.into_iter().find(|one| one.name == name) else {
            return Ok(None);
        };
        let bytes = archived.open()?;
        let line = std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| Lineage::parse(timeline, text));
        match line {
            Some(line) => Ok(Some(line)),
            None => Err(Trouble::damaged(archived.path, "it is not a history")),
        }
    }

    /// Archives a file under the name `name`. Twice is fine; another content under the same name is refused.
    pub(crate) fn add(&self, name: &str, file: &Path) -> Result<(), Trouble> {
        disk::make_folder(&self.root, 0o700)?;
        disk::give_to_server(&self.root)?;
        let content = disk::read(file)?;
        if let Some(there) = self.list()?.into_iter().find(|one| one.name == name) {
            return match there.open()? == content {
                true => Ok(()),
                false => Err(Trouble::damaged(
                    there.path,
                    format!("it differs from {}", file.display()),
                )),
            };
        }
        let compressed = compress(&content)?;
        let target = self
            .root
            .join(format!("{name}-{}.gz", disk::sum_of(&compressed)));
        disk::write_whole(&target, &compressed)?;
        Ok(disk::give_to_server(&target)?)
    }
}

impl Archived {
    /// The line of history of a segment; nothing for what else Postgres archives.
    pub(crate) fn timeline(&self) -> Option<u32> {
        // Where in the log it lies depends on the size of segments, its line does not.
        Segment::parse(&self.name, 1 << 24).map(|segment| segment.timeline)
    }

    /// Compares the file with the checksum in its name.
    pub(crate) fn verify(&self) -> Result<(), Trouble> {
        let (_, sha256) = disk::sum(&self.path)?;
        if sha256 == self.sha256 {
            Ok(())
        } else {
            Err(Trouble::damaged(&self.path, "its checksum does not match"))
        }
    }

    /// The content, checked and decompressed: at most a segment, so it fits into memory.
    pub(crate) fn open(&self) -> Result<Vec<u8>, Trouble> {
        self.verify()?;
        let mut content = Vec::new();
        GzDecoder::new(disk::read(&self.path)?.as_slice())
            .read_to_end(&mut content)
            .map_err(|error| Trouble::damaged(&self.path, error.to_string()))?;
        Ok(content)
    }
}

fn compress(content: &[u8]) -> Result<Vec<u8>, Trouble> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let done = encoder.write_all(content).and_then(|()| encoder.finish());
    done.map_err(|_| Trouble::Bug("a segment could not be compressed in memory"))
}
