//! The folder in which everything lies, and the lock that only one at a time holds.
//!
//! ```text
//! lock                              held by whoever backs up, restores or drills
//! base/20261121T031700Z/            a backup: data/, settings.sealed, and last of all manifest.json
//! wal/NAME-SHA256.gz                the archive of the log
//! stream/                           what `backup --follow` is receiving
//! drill.json                        the report of the last drill
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::archive::{Archive, Archived};
use crate::disk;
use crate::drill::Report;
use crate::error::Trouble;
use crate::manifest::{MANIFEST, Manifest};

/// The folder of the backups.
#[derive(Debug, Clone)]
pub struct Shelf {
    root: PathBuf,
}

/// A backup's name, and its manifest or what is wrong with it.
pub type Named = (String, Result<Manifest, Trouble>);

/// Held while somebody works in the folder; the kernel gives it back when its holder dies, however it dies.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Drop for Lock {
    /// Unlocks by hand: a program that is just being started may hold a copy of the file for a moment longer.
    fn drop(&mut self) {
        // Where even that fails, closing the file does it.
        self.file.unlock().ok();
    }
}

/// What stands on the shelf.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The newest backup.
    pub newest: Option<Manifest>,
    /// When the newest segment of the log was archived.
    pub archived_at: Option<SystemTime>,
    /// The newest line of history that a segment was archived of.
    pub line: Option<u32>,
    /// Bytes of the archive of the log.
    pub archive_bytes: u64,
    /// The last drill.
    pub drill: Option<Report>,
}

impl Shelf {
    /// The shelf below `root`, whether or not anything is there yet.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        // Programs that work in other folders are told of it.
        let root = std::path::absolute(&root).unwrap_or(root);
        Self { root }
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn base(&self) -> PathBuf {
        self.root.join("base")
    }

    pub(crate) fn folder(&self, id: &str) -> PathBuf {
        self.base().join(id)
    }

    pub(crate) fn archive(&self) -> Archive {
        Archive::at(self.root.join("wal"))
    }

    pub(crate) fn stream(&self) -> PathBuf {
        self.root.join("stream")
    }

    /// What is being received, readable by a server that is to replay it.
    pub(crate) fn stream_for_server(&self) -> Result<PathBuf, Trouble> {
        for (name, _) in disk::entries(&self.stream())? {
            disk::give_to_server(&self.stream().join(name))?;
        }
        Ok(self.stream())
    }

    fn report(&self) -> PathBuf {
        self.root.join("drill.json")
    }

    /// Takes the folder for oneself, making it if it is not there.
    ///
    /// # Errors
    /// Somebody else has it, or it cannot be made.
    pub(crate) fn lock(&self) -> Result<Lock, Trouble> {
        // A server that runs as another account has to reach the archive below.
        disk::make_folder(&self.root, 0o711)?;
        let path = self.root.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(disk::failed("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { file }),
            Err(TryLockError::WouldBlock) => Err(Trouble::Busy {
                directory: self.root.clone(),
            }),
            Err(TryLockError::Error(error)) => Err(disk::failed("lock", &path)(error).into()),
        }
    }

    /// The names of all backups, oldest first: folders with a manifest, whether or not it can be read.
    pub(crate) fn ids(&self) -> Result<Vec<String>, Trouble> {
        let folders = disk::entries(&self.base())?;
        Ok(folders
            .into_iter()
            .filter(|(name, is_folder)| *is_folder && self.folder(name).join(MANIFEST).exists())
            .map(|(name, _)| name)
            .collect())
    }

    /// Folders of backups that were never finished.
    pub(crate) fn unfinished(&self) -> Result<Vec<PathBuf>, Trouble> {
        let folders = disk::entries(&self.base())?;
        Ok(folders
            .into_iter()
            .map(|(name, _)| self.folder(&name))
            .filter(|folder| !folder.join(MANIFEST).exists())
            .collect())
    }

    /// The manifests of all backups, oldest first. One that is damaged stands in its place as what is wrong with it.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<Named>, Trouble> {
        let ids = self.ids()?.into_iter();
        Ok(ids
            .map(|id| {
                let manifest = Manifest::read(&self.folder(&id));
                (id, manifest)
            })
            .collect())
    }

    /// What stands here. A damaged manifest counts as no backup.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn standing(&self) -> Result<Standing, Trouble> {
        let newest = self
            .list()?
            .into_iter()
            .rev()
            .find_map(|(_, manifest)| manifest.ok());
        let segments = self.archive().list()?;
        let drill = match self.report().exists() {
            true => serde_json::from_slice(&disk::read(&self.report())?).ok(),
            false => None,
        };
        Ok(Standing {
            newest,
            archived_at: segments.iter().map(|one| one.archived_at).max(),
            line: segments.iter().filter_map(Archived::timeline).max(),
            archive_bytes: segments.iter().map(|one| one.bytes).sum(),
            drill,
        })
    }

    pub(crate) fn keep_report(&self, report: &Report) -> Result<(), Trouble> {
        let text = serde_json::to_vec_pretty(report)
            .map_err(|_| Trouble::Bug("a report could not be written as JSON"))?;
        Ok(disk::write_whole(&self.report(), &text)?)
    }
}

/// The name of a backup that began at `moment`.
pub(crate) fn id_of(moment: Timestamp) -> String {
    let moment = moment.to_zoned(TimeZone::UTC);
    moment.strftime("%Y%m%dT%H%M%S%3fZ").to_string()
}
