//! Files that may be exchanged at any time, and when they have been.
//!
//! Files are asked for their state every second instead of being watched by the kernel: that sees every way in which they are
//! exchanged, Kubernetes' symbolic links and network drives among them, and costs a few calls. What is done about a change is for
//! whoever watches.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often the files are looked at. A change counts once they look the same twice in a row, so that nobody reads what is being
/// written.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Files that are looked at.
pub(crate) struct FileWatch {
    files: Vec<PathBuf>,
    known: Vec<Look>,
    before: Vec<Look>,
    ticks: Interval,
}

/// What a file looks like from outside; absent when it cannot be looked at.
type Look = Option<(u64, u64, u64, SystemTime)>;

impl FileWatch {
    /// Looks at these files; how they look now is known.
    pub(crate) fn over(files: Vec<PathBuf>) -> Self {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let known: Vec<_> = files.iter().map(|file| look(file)).collect();
        Self {
            files,
            before: known.clone(),
            known,
            ticks,
        }
    }

    /// Waits until one of them has changed and all stand still. From then on that is known.
    ///
    /// # Cancel safety
    /// Dropped, it has missed nothing.
    pub(crate) async fn changed(&mut self) {
        loop {
            self.ticks.tick().await;
            let now: Vec<_> = self.files.iter().map(|file| look(file)).collect();
            let stand_still = now == self.before;
            self.before.clone_from(&now);
            if stand_still && now != self.known {
                self.known = now;
                return;
            }
        }
    }
}

/// Follows symbolic links: where they point to is part of what a file looks like.
fn look(path: &Path) -> Look {
    let metadata = std::fs::metadata(path).ok()?;
    let modified = metadata.modified().ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.len(), modified))
}
