//! A real folder as a disk, and the numbered slots among which the edges of one machine share a spool's place.
//!
//! A slot belongs to whoever holds the lock on its file `lock`; the kernel lets go of it when the process ends, however it
//! ends. So two edges never write into one folder, a successor that starts beside its predecessor takes the next slot, and
//! what a dead edge has left can be told from what a living one is writing.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::segment;

/// How many edges may share one place.
const SLOTS_MAX: u32 = 64;
const LOCK: &str = "lock";
/// What strangers wrote to a bot is nobody's to read but ours.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// One slot, locked until this is dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    directory: File,
    /// The file that grows, so that it is not opened anew for every append.
    growing: Option<(String, File)>,
    _lock: File,
}

/// The place of all spools of a machine.
#[derive(Debug, Clone)]
pub struct Slots {
    root: PathBuf,
}

impl Slots {
    /// The slots below this folder. Nothing is made yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Takes the first slot that nobody holds.
    ///
    /// # Errors
    /// The folder cannot be made or locked, or every slot is held.
    pub fn take_free(&self) -> io::Result<Folder> {
        make_folder(&self.root)?;
        for number in 0..SLOTS_MAX {
            if let Some(folder) = Folder::take(&self.root.join(number.to_string()))? {
                return Ok(folder);
            }
        }
        Err(io::Error::other(format!(
            "all {SLOTS_MAX} slots in {} are held by running edges",
            self.root.display()
        )))
    }

    /// Takes a slot that holds messages and whose owner is gone, if there is one.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn take_orphan(&self) -> io::Result<Option<Folder>> {
        for entry in std::fs::read_dir(&self.root)? {
            let path = entry?.path();
            if has_segments(&path)?
                && let Some(folder) = Folder::take(&path)?
            {
                return Ok(Some(folder));
            }
        }
        Ok(None)
    }
}

impl Folder {
    /// Makes the folder if need be and locks it; `None` when somebody else holds it.
    ///
    /// # Errors
    /// The folder cannot be made or locked.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        make_folder(path)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(FILE_MODE)
            .open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(Some(Self {
            path: path.to_owned(),
            directory: File::open(path)?,
            growing: None,
            _lock: lock,
        }))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn growing(&mut self, name: &str) -> io::Result<&mut File> {
        let file = match self.growing.take() {
            Some((growing, file)) if growing == name => file,
            _ => OpenOptions::new().append(true).open(self.path.join(name))?,
        };
        let (_, file) = self.growing.insert((name.to_owned(), file));
        Ok(file)
    }

    fn let_go_of(&mut self, name: &str) {
        if self
            .growing
            .as_ref()
            .is_some_and(|(growing, _)| growing == name)
        {
            self.growing = None;
        }
    }
}

/// Makes a folder durably: its name in the folder above is flushed, too.
fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(path)?;
    match path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn has_segments(path: &Path) -> io::Result<bool> {
    if !path.is_dir() {
        return Ok(false);
    }
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name();
        if segment::number_in(&name.to_string_lossy()).is_some_and(|(_, is_living)| is_living) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Disk for Folder {
    fn list(&mut self) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.path)?;
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        Ok(std::fs::metadata(self.path.join(name))?.len())
    }

    fn read(&mut self, name: &str, from: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
        let file = File::open(self.path.join(name))?;
        let mut bytes = vec![0; bytes_max];
        let mut read = 0;
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, from.saturating_add(read as u64)) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(read);
        Ok(bytes)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(FILE_MODE)
            .open(self.path.join(name))?;
        drop(file);
        self.let_go_of(name);
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.growing(name)?.write_all(bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        #[cfg(feature = "fail-points")]
        if sallyport_telemetry::points::fails(sallyport_telemetry::points::Point::SpoolSync) {
            return Err(io::Error::other("a flush that a test lets fail"));
        }
        // The size of the file is flushed with its bytes; nothing else about it matters.
        self.growing(name)?.sync_data()
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.directory.sync_all()
    }

    fn truncate(&mut self, name: &str, bytes: u64) -> io::Result<()> {
        self.growing(name)?.set_len(bytes)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.let_go_of(from);
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.let_go_of(name);
        std::fs::remove_file(self.path.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_has_one_owner_and_is_free_when_its_owner_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let slots = Slots::new(home.path().join("spool"));

        let first = slots.take_free().unwrap();
        let second = slots.take_free().unwrap();
        assert!(first.path().ends_with("0") && second.path().ends_with("1"));
        drop(first);

        assert!(slots.take_free().unwrap().path().ends_with("0"));
        assert!(
            slots.take_orphan().unwrap().is_none(),
            "nobody left anything"
        );
    }

    #[test]
    fn only_a_slot_with_messages_and_without_an_owner_is_an_orphan() {
        let home = tempfile::tempdir().unwrap();
        let slots = Slots::new(home.path());
        let mut owned = slots.take_free().unwrap();
        owned.create(&segment::name(1)).unwrap();

        assert!(slots.take_orphan().unwrap().is_none(), "its owner lives");
        drop(owned);

        let orphan = slots.take_orphan().unwrap().unwrap();
        assert!(orphan.path().ends_with("0"));
    }
}
