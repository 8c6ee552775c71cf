//! A limit of memory for one process, kept by the kernel: a control group, or where none can be made a limit of its address space.

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups of memory are, in the first version and in the second, with the names of their files.
const VERSIONS: [Version; 2] = [
    Version {
        root: "/sys/fs/cgroup/memory",
        limit: "memory.limit_in_bytes",
        events: "memory.oom_control",
    },
    Version {
        root: "/sys/fs/cgroup",
        limit: "memory.max",
        events: "memory.events",
    },
];
const NAME: &str = "sallyport-faults-";

struct Version {
    root: &'static str,
    limit: &'static str,
    events: &'static str,
}

/// Such a limit. Of a control group nothing is left when it is dropped, which must be after its process has ended.
pub(crate) enum MemoryGroup {
    Group {
        folder: PathBuf,
        events: &'static str,
    },
    AddressSpace(u64),
}

impl MemoryGroup {
    /// For so many bytes.
    pub(crate) fn of(bytes: u64) -> Self {
        let groups = VERSIONS.iter().filter_map(|version| group(version, bytes));
        groups
            .into_iter()
            .next()
            .unwrap_or(Self::AddressSpace(bytes))
    }

    /// The program in whose place a process has to run, to be in it from its first byte on.
    pub(crate) fn around(&self) -> Vec<String> {
        match self {
            Self::Group { folder, .. } => {
                let script = format!(
                    r#"echo $$ > {}/cgroup.procs && exec "$@""#,
                    folder.display()
                );
                ["sh", "-c", &script, "sh"].map(str::to_owned).to_vec()
            }
            Self::AddressSpace(bytes) => vec!["prlimit".to_owned(), format!("--as={bytes}")],
        }
    }

    /// How often the kernel has killed for want of memory; unknown without a group.
    pub(crate) fn kills(&self) -> Option<u64> {
        let Self::Group { folder, events } = self else {
            return None;
        };
        let text = fs::read_to_string(folder.join(events)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line?.trim().parse().ok()
    }

    /// What it is, for people.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Group { .. } => "a control group",
            Self::AddressSpace(_) => "a limit of its address space",
        }
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        if let Self::Group { folder, .. } = self {
            drop(fs::remove_dir(folder));
        }
    }
}

/// A group of this version, if there can be one here.
fn group(version: &Version, bytes: u64) -> Option<MemoryGroup> {
    let root = Path::new(version.root);
    let folder = root.join(format!("{NAME}{}", std::process::id()));
    // One that a killed run left behind is as good.
    fs::create_dir_all(&folder).ok()?;
    let made = fs::write(folder.join(version.limit), bytes.to_string());
    if made.is_err() {
        drop(fs::remove_dir(&folder));
        return None;
    }
    let events = version.events;
    Some(MemoryGroup::Group { folder, events })
}
