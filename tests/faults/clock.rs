//! A wall clock of a process's own, which jumps and drifts while the process runs. Time that only counts on is left alone.
//!
//! Whoever sleeps until a moment (`clock_nanosleep` with `TIMER_ABSTIME`) is told EINVAL by version 0.9.10 of the library when only the wall
//! clock is wrong; nobody in the house does, since waiting for a time to pass works as ever.
//!
//! `libfaketime` stands between the process and the clock of the machine; how wrong it is to be it reads from a file, once a second.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where Debian and Ubuntu put the library, below the folder of the architecture.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
/// How long a process may go on by the old time: it looks this seldom.
pub(crate) const NOTICED_WITHIN: Duration = Duration::from_secs(1);

/// A clock. It is right until it is moved.
pub(crate) struct Clock {
    file: PathBuf,
}

impl Clock {
    pub(crate) fn new(file: PathBuf) -> Self {
        let clock = Self { file };
        clock.go_wrong_by(0.0);
        clock
    }

    /// So many seconds ahead of the truth, or behind it, from now on.
    pub(crate) fn go_wrong_by(&self, seconds: f64) {
        // Renamed into its place: a file that is read while it is written would be another jump.
        let next = self.file.with_extension("next");
        std::fs::write(&next, format!("{seconds:+.3}\n")).unwrap();
        std::fs::rename(next, &self.file).unwrap();
    }

    /// What makes a process go by this clock.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        [
            ("LD_PRELOAD", text(&library())),
            ("FAKETIME_TIMESTAMP_FILE", text(&self.file)),
            (
                "FAKETIME_CACHE_DURATION",
                NOTICED_WITHIN.as_secs().to_string(),
            ),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let mut found = folders
        .map(|folder| folder.path().join(LIBRARY))
        .filter(|library| library.exists());
    found
        .next()
        .expect("libfaketime is installed by `make faults` and `make test`")
}
