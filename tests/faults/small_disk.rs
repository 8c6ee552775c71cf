//! A disk of a few megabytes, in memory, that can be filled to its last byte. Mounting it takes root.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where they are mounted, each under its owner's process id.
const FOLDER: &str = "/var/tmp/sallyport-small-disk-";
const FILLER: &str = "filler";

/// Unmounted when it is dropped.
pub(crate) struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many megabytes.
    pub(crate) fn mount(megabytes: u32) -> Result<Self, String> {
        clear_leftovers();
        let path = PathBuf::from(format!("{FOLDER}{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| error.to_string())?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(&path)
            .output()
            .map_err(|error| error.to_string())?;
        if mounted.status.success() {
            return Ok(Self { path });
        }
        drop(std::fs::remove_dir(&path));
        Err(String::from_utf8_lossy(&mounted.stderr).trim().to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes until nothing more fits.
    pub(crate) fn fill(&self) {
        let mut filler = File::create(self.path.join(FILLER)).unwrap();
        for size in [1 << 20, 4096, 1] {
            while filler.write_all(&vec![7; size]).is_ok() {}
        }
    }

    /// Makes space again.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.path.join(FILLER)).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(&self.path);
    }
}

/// Lazily, because a process that is being killed may still hold a file.
fn unmount(path: &Path) {
    drop(Command::new("umount").arg("-l").arg(path).status());
    drop(std::fs::remove_dir(path));
}

/// What killed runs left behind.
fn clear_leftovers() {
    for entry in std::fs::read_dir("/var/tmp").unwrap().flatten() {
        let path = entry.path();
        let owner = path.to_str().and_then(|path| path.strip_prefix(FOLDER));
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            unmount(&path);
        }
    }
}
