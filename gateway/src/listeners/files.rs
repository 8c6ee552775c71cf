//! For how many connections this process has files.
//!
//! It exists because each connection takes a file descriptor, and so does everything that answers one: stores, upstreams, logs, the
//! admin door. Whoever opens connections until none is left would take theirs. So a part is kept from connections, and the soft limit
//! is raised first, since many systems set it to 1,024 and leave the hard one high.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The share of all files that connections may not have: one in so many.
const KEPT_SHARE: usize = 4;
/// At least so many: two pools of connections to stores, the spool's segments, logs, doors and a few requests that are handed on.
const KEPT_MIN: usize = 96;
/// What a connection may take: itself, and an upstream.
const FILES_EACH: usize = 2;

/// How many connections may be open when so many are wanted, after raising the soft limit towards the hard one.
pub(crate) fn room_for(wanted: usize) -> usize {
    let files = raised(wanted.saturating_mul(FILES_EACH).saturating_add(KEPT_MIN));
    let room = wanted.min(beside_ours(files));
    if room < wanted {
        tracing::warn!(
            name: "edge.few_files",
            { files_max = files, connections_max = room, total_max = wanted },
            "The limit of open files allows fewer connections than the settings"
        );
    }
    room
}

/// The limit of files, raised to so many if it may be.
fn raised(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let number = |limit: Option<u64>| {
        limit.map_or(usize::MAX, |files| {
            usize::try_from(files).unwrap_or(usize::MAX)
        })
    };
    let (soft, hard) = (number(limit.current), number(limit.maximum));
    if soft >= wanted || soft >= hard {
        return soft;
    }
    let raised = wanted.min(hard);
    let asked = Rlimit {
        current: u64::try_from(raised).ok(),
        ..limit
    };
    // It is below the hard limit, so only a system that forbids the call refuses; then things stay as they are.
    match setrlimit(Resource::Nofile, asked) {
        Ok(()) => raised,
        Err(_forbidden) => soft,
    }
}

/// How many of so many files connections may have.
fn beside_ours(files: usize) -> usize {
    let kept = files.checked_div(KEPT_SHARE).unwrap_or_default();
    files.saturating_sub(kept.max(KEPT_MIN)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_files_is_never_given_to_connections() {
        assert_eq!(beside_ours(512), 384);
        assert_eq!(beside_ours(256), 160);
        assert_eq!(beside_ours(20_000), 15_000);
        assert_eq!(beside_ours(50), 1);
    }

    #[test]
    fn what_is_wanted_is_given_where_there_are_files() {
        assert_eq!(room_for(10), 10);
    }
}
