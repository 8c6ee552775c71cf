//! A file system of a row's own that loses its power: whatever was not flushed is gone, as on a machine whose plug is pulled.
//!
//! It is ext4 in a file, mounted through a loop device. The cut is ext4's own shutdown without flushing the journal
//! (`EXT4_IOC_SHUTDOWN`, made for crash tests): from then on nothing reaches the file any more, and the next mount replays the
//! journal as after a power cut.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::outfit::tick;

/// Its size. The file is sparse.
const SIZE: &str = "3G";
/// Whoever had files open on it may take so long to be gone.
const FREE_WITHIN: Duration = Duration::from_secs(60);
/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`.
const SHUTDOWN: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// A mounted disk; it is unmounted and gone when this is dropped.
pub(crate) struct PowerDisk {
    image: tempfile::NamedTempFile,
    folder: tempfile::TempDir,
}

impl PowerDisk {
    /// Makes and mounts it.
    ///
    /// # Errors
    /// It cannot be made or mounted, with the reason; mounting takes root.
    pub(crate) fn mount() -> Result<Self, String> {
        let image =
            tempfile::NamedTempFile::new_in("/var/tmp").map_err(|error| error.to_string())?;
        let folder = tempfile::Builder::new()
            .prefix("sallyport-power-")
            .tempdir_in("/var/tmp")
            .map_err(|error| error.to_string())?;
        let disk = Self { image, folder };
        call("truncate", &["-s", SIZE, disk.image()])?;
        call("mkfs.ext4", &["-q", "-F", disk.image()])?;
        disk.power_up()?;
        Ok(disk)
    }

    /// A folder on it for whoever wants one.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// From now on nothing reaches the disk.
    pub(crate) fn cut(&self) {
        call("python3", &["-c", SHUTDOWN, self.mount_point()]).unwrap();
    }

    /// Takes the disk away and mounts it again, as a machine does that starts. Whoever still uses it is killed.
    pub(crate) async fn restart(&self) {
        let began = Instant::now();
        while let Err(reason) = call("umount", &[self.mount_point()]) {
            let users = self.users();
            assert!(began.elapsed() < FREE_WITHIN, "{reason}: {users:?}");
            for user in users {
                // It may have left meanwhile.
                drop(call("kill", &["-9", &user]));
            }
            tick().await;
        }
        self.power_up().unwrap();
    }

    /// The processes that have a file on the disk open, or work in one of its folders.
    fn users(&self) -> Vec<String> {
        let mut users = Vec::new();
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let path = process.path();
            let files = std::fs::read_dir(path.join("fd"))
                .into_iter()
                .flatten()
                .flatten();
            let mut links = files.map(|file| file.path()).chain([path.join("cwd")]);
            let on_the_disk = |link: PathBuf| {
                std::fs::read_link(link).is_ok_and(|target| target.starts_with(self.folder.path()))
            };
            let name = process.file_name().to_string_lossy().into_owned();
            if name.parse::<u32>().is_ok_and(|id| id != std::process::id())
                && links.any(on_the_disk)
            {
                users.push(name);
            }
        }
        users
    }

    fn power_up(&self) -> Result<(), String> {
        call("mount", &["-o", "loop", self.image(), self.mount_point()])?;
        let data = self.path();
        std::fs::create_dir_all(&data).map_err(|error| error.to_string())?;
        call("chmod", &["0777", &data.to_string_lossy()])
    }

    fn image(&self) -> &str {
        utf8(self.image.path())
    }

    fn mount_point(&self) -> &str {
        utf8(self.folder.path())
    }
}

impl Drop for PowerDisk {
    fn drop(&mut self) {
        drop(call("umount", &["--lazy", self.mount_point()]));
    }
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("a temporary path is UTF-8")
}

fn call(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        let told = String::from_utf8_lossy(&output.stderr);
        Err(format!("{program}: {}", told.trim()))
    }
}
