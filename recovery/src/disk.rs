//! Files that are there after a power cut: every write is followed by a sync of the file and of its folder.
//!
//! It also knows the account that servers run as when we are root, which Postgres refuses to be.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sallyport_security::private_file;
use sha2::{Digest, Sha256};

/// "nobody" on Debian and Ubuntu; the same as in `scripts/postgres`.
const UNPRIVILEGED: u32 = 65_534;
/// Large enough that the disk and not the loop is the limit.
const CHUNK_BYTES: usize = 256 * 1024;
/// How the name of a folder begins that is about to be removed.
const ASIDE: &str = "removed-";

/// A file or folder could not be used.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing} {}", path.display())]
pub struct DiskError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

pub(crate) fn failed(
    doing: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> DiskError + use<> {
    let path = path.to_owned();
    move |source| DiskError {
        doing,
        path,
        source,
    }
}

/// The account for servers: `None` unless we are root.
pub(crate) fn server_account() -> Option<u32> {
    rustix::process::geteuid().is_root().then_some(UNPRIVILEGED)
}

/// Gives a file or folder to the servers' account.
pub(crate) fn give_to_server(path: &Path) -> Result<(), DiskError> {
    match server_account() {
        Some(id) => {
            std::os::unix::fs::chown(path, Some(id), Some(id)).map_err(failed("hand over", path))
        }
        None => Ok(()),
    }
}

/// Makes a folder and its parents, with `mode` for those that were missing.
pub(crate) fn make_folder(path: &Path, mode: u32) -> Result<(), DiskError> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(failed("make", path))
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), DiskError> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(failed("set the permissions of", path))
}

/// Makes what was written to a file or into a folder outlive a power cut.
pub(crate) fn sync(path: &Path) -> Result<(), DiskError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(failed("sync", path))
}

/// Writes a file that is complete or absent, readable by its owner alone.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    private_file::write(path, bytes).map_err(failed("write", path))
}

/// The size and the SHA-256 of a file, read in pieces.
pub(crate) fn sum(path: &Path) -> Result<(u64, String), DiskError> {
    let read = || {
        let mut file = File::open(path)?;
        let mut hash = Sha256::new();
        let mut bytes = 0_u64;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let got = file.read(&mut chunk)?;
            let Some(part) = chunk.get(..got).filter(|part| !part.is_empty()) else {
                return Ok((bytes, hex(&hash.finalize())));
            };
            hash.update(part);
            bytes += u64::try_from(got).unwrap_or(u64::MAX);
        }
    };
    read().map_err(failed("read", path))
}

/// The SHA-256 of bytes at hand.
pub(crate) fn sum_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, DiskError> {
    fs::read(path).map_err(failed("read", path))
}

/// Every file below `root`, as paths relative to it, sorted. Links are followed by nobody: they are listed as files.
pub(crate) fn files_below(root: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for (name, is_folder) in entries(&root.join(&folder))? {
            let path = folder.join(name);
            if is_folder {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The names in a folder, and whether each is a folder itself. A folder that is not there has none.
pub(crate) fn entries(folder: &Path) -> Result<Vec<(String, bool)>, DiskError> {
    let list = || {
        let mut found = Vec::new();
        let reading = match fs::read_dir(folder) {
            Ok(reading) => reading,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(error),
        };
        for entry in reading {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            found.push((name, entry.file_type()?.is_dir()));
        }
        found.sort();
        Ok(found)
    };
    list().map_err(failed("list", folder))
}

/// Gives a folder another name, and returns it. A program that outlived whoever started it goes on writing to the name that it
/// was told, and ends when there is no such folder any more.
pub(crate) fn set_aside(folder: &Path) -> Result<PathBuf, DiskError> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with(ASIDE) {
        return Ok(folder.to_owned());
    }
    let aside = folder.with_file_name(format!("{ASIDE}{name}"));
    fs::rename(folder, &aside).map_err(failed("set aside", folder))?;
    Ok(aside)
}

/// Removes a folder and everything in it; fine when it is gone.
pub(crate) fn remove_tree(path: &Path) -> Result<(), DiskError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(crate) fn remove_file(path: &Path) -> Result<(), DiskError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Copies a tree for a server: folders and files belong to its account and to nobody else, and all is synced. `last` is
/// copied after everything else: while it is missing, the copy is visibly incomplete.
pub(crate) fn copy_tree(from: &Path, to: &Path, last: &Path) -> Result<(), DiskError> {
    // The servers' account has to get through the folders above, which hold nothing yet.
    to.parent()
        .map_or(Ok(()), |above| make_folder(above, 0o755))?;
    let mut folders = vec![PathBuf::new()];
    let mut made = Vec::new();
    while let Some(folder) = folders.pop() {
        let target = to.join(&folder);
        make_folder(&target, 0o700)?;
        set_mode(&target, 0o700)?;
        give_to_server(&target)?;
        for (name, is_folder) in entries(&from.join(&folder))? {
            let path = folder.join(name);
            if is_folder {
                folders.push(path);
            } else if path != last {
                copy_file(&from.join(&path), &to.join(&path))?;
            }
        }
        made.push(target);
    }
    for folder in &made {
        sync(folder)?;
    }
    copy_file(&from.join(last), &to.join(last))?;
    to.join(last).parent().map_or(Ok(()), sync)
}

fn copy_file(from: &Path, to: &Path) -> Result<(), DiskError> {
    fs::copy(from, to).map_err(failed("copy", from))?;
    set_mode(to, 0o600)?;
    give_to_server(to)?;
    sync(to)
}
