//! `process_*`: what the kernel says about this process, read at the moment of a scrape from `/proc/self`.
//!
//! Where there is no `/proc` the families are left out. They are written here as text, because CPU seconds have fractions and the
//! exporter's counters are whole numbers.

use std::fmt::Write as _;
use std::fs;

use crate::catalogue::{Kind, Metric};

/// The unit of times in `/proc`; part of Linux's interface to programs and the same on all machines we run on.
const TICKS_PER_SECOND: f64 = 100.0;
const KIB: f64 = 1024.0;

/// Appends the families to an exposition.
pub(super) fn render(text: &mut String) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let numbers = [
        (Metric::ProcessCpu, cpu_seconds(&stat)),
        (Metric::ProcessStartTime, start_time(&stat)),
        (Metric::ProcessOpenFds, open_fds()),
        (Metric::ProcessMaxFds, max_fds()),
        (
            Metric::ProcessVirtualMemory,
            status_field(&status, "VmSize:").map(|kib| kib * KIB),
        ),
        (
            Metric::ProcessResidentMemory,
            status_field(&status, "VmRSS:").map(|kib| kib * KIB),
        ),
        (Metric::ProcessThreads, status_field(&status, "Threads:")),
    ];
    for (metric, number) in numbers {
        if let Some(number) = number {
            append(text, metric, number);
        }
    }
}

fn append(text: &mut String, metric: Metric, number: f64) {
    let definition = metric.definition();
    let name = definition.name;
    let kind = if definition.kind == Kind::Counter {
        "counter"
    } else {
        "gauge"
    };
    // Writing to a String cannot fail.
    let _infallible = write!(
        text,
        "# HELP {name} {}\n# TYPE {name} {kind}\n{name} {number}\n\n",
        definition.help
    );
}

/// The fields of `stat` from the third on; the second is a name in parentheses that may hold spaces itself.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name
        .split_ascii_whitespace()
        .nth(number.checked_sub(3)?)?
        .parse()
        .ok()
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    let (user, system) = (stat_field(stat, 14)?, stat_field(stat, 15)?);
    Some((user + system) / TICKS_PER_SECOND)
}

fn start_time(stat: &str) -> Option<f64> {
    let after_boot = stat_field(stat, 22)? / TICKS_PER_SECOND;
    let machine = fs::read_to_string("/proc/stat").ok()?;
    Some(status_field(&machine, "btime")? + after_boot)
}

fn status_field(status: &str, name: &str) -> Option<f64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_ascii_whitespace().next()?.parse().ok()
}

fn open_fds() -> Option<f64> {
    // The listing itself holds one descriptor open.
    Some(
        fs::read_dir("/proc/self/fd")
            .ok()?
            .count()
            .saturating_sub(1) as f64,
    )
}

fn max_fds() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    status_field(&limits, "Max open files")
}

#[cfg(test)]
mod tests {
    use super::{cpu_seconds, render};

    #[test]
    fn a_process_name_with_spaces_and_parentheses_shifts_no_field() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 4 0 1234 1000 10";

        assert_eq!(cpu_seconds(stat), Some(3.0));
    }

    #[test]
    fn the_process_families_are_well_formed() {
        let mut text = String::new();
        render(&mut text);

        assert!(
            text.contains("# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total ")
        );
        assert!(text.contains(
            "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes "
        ));
        assert!(text.contains("process_max_fds "));
    }
}
