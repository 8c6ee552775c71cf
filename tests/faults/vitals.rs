//! What a process costs, as the kernel counts it: memory and time on a processor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::background::Background;

/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Ticks a second in which Linux tells a process's times.
const TICKS_PER_SECOND: u64 = 100;

/// The memory that a process occupies, in bytes; 0 when it is gone.
pub(crate) fn resident_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kilobytes.unwrap_or(0_u64) * 1024
}

/// How long a process has run on all processors together so far.
pub(crate) fn processor_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The second field is a name in brackets, which may hold anything; of what follows the 12th and 13th are the two times.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
}

/// Looks at a process's memory until it is dropped.
pub(crate) struct Memory {
    before: u64,
    most: Arc<AtomicU64>,
    _looking: Background,
}

impl Memory {
    pub(crate) fn watch(process: u32) -> Self {
        let before = resident_bytes(process);
        let most = Arc::new(AtomicU64::new(before));
        let noting = Arc::clone(&most);
        let looking = Background::start(async move {
            loop {
                noting.fetch_max(resident_bytes(process), Ordering::Relaxed);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Self {
            before,
            most,
            _looking: looking,
        }
    }

    /// The most that it has grown by since the watch began.
    pub(crate) fn grown(&self) -> u64 {
        let most = self.most.load(Ordering::Relaxed);
        most.saturating_sub(self.before)
    }
}
