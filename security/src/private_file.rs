//! Files with secrets in them.
//!
//! They exist as one function, because what is easily forgotten is always the same: that nobody else may read the file even for a moment,
//! and that a loss of power must not leave half of it. What stands in the files, and where they lie, is for the callers.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a file that only its owner may read (mode 0600), in a folder that is there. It is complete or as it was before, also after a
/// loss of power. What is being written lies beside it with the extension `partial`.
///
/// # Errors
/// The file is as it was before, but for a folder that could not be flushed: then either may be found after a loss of power.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_its_owners_alone_and_replaces_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");

        super::write(&path, b"one").unwrap();
        super::write(&path, b"two").unwrap();

        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();

        assert!(super::write(&folder.path().join("no/key.pem"), b"").is_err());
    }
}
