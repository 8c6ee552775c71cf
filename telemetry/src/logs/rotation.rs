//! A log file that starts anew at midnight (UTC) and when it is full, and whose oldest pieces are removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::LogFile;

/// The owner writes, the group reads.
const MODE: u32 = 0o640;

/// The file that is being written.
pub(super) struct RotatingFile {
    path: PathBuf,
    bytes_max: u64,
    files_kept: usize,
    now: fn() -> Timestamp,
    file: File,
    bytes: u64,
    day: Date,
}

impl RotatingFile {
    pub(super) fn open(settings: &LogFile) -> io::Result<Self> {
        Self::with_clock(settings, Timestamp::now)
    }

    pub(super) fn with_clock(settings: &LogFile, now: fn() -> Timestamp) -> io::Result<Self> {
        if let Some(folder) = settings.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = append(&settings.path)?;
        let metadata = file.metadata()?;
        // What an earlier run left behind is rotated by the day on which it was last written.
        let written = metadata
            .modified()
            .ok()
            .and_then(|time| Timestamp::try_from(time).ok());
        let day = day(written.filter(|_| metadata.len() > 0).unwrap_or_else(now));
        Ok(Self {
            path: settings.path.clone(),
            bytes_max: settings.bytes_max,
            files_kept: settings.files_kept,
            now,
            bytes: metadata.len(),
            file,
            day,
        })
    }

    fn rotate(&mut self, at: Timestamp) -> io::Result<()> {
        let ended = at.strftime("%Y%m%dT%H%M%S%.9fZ");
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{ended}"));
        fs::rename(&self.path, PathBuf::from(name))?;
        self.file = append(&self.path)?;
        self.bytes = 0;
        self.day = day(at);
        for old in self.rotated()?.into_iter().rev().skip(self.files_kept) {
            fs::remove_file(old)?;
        }
        Ok(())
    }

    /// The pieces there are, oldest first: their suffix is a time, so the order of names is that of times.
    fn rotated(&self) -> io::Result<Vec<PathBuf>> {
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let own = self
            .path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let mut pieces: Vec<_> = fs::read_dir(folder)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| {
                let name = path
                    .file_name()
                    .and_then(|name| name.to_str())
                    .unwrap_or_default();
                name.strip_prefix(own)
                    .is_some_and(|suffix| suffix.starts_with('.') && suffix.ends_with('Z'))
            })
            .collect();
        pieces.sort();
        Ok(pieces)
    }
}

impl Write for RotatingFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let now = (self.now)();
        if self.bytes > 0 && (self.bytes >= self.bytes_max || day(now) != self.day) {
            self.rotate(now)?;
        }
        let written = self.file.write(lines)?;
        self.bytes += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(MODE)
        .open(path)
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}
