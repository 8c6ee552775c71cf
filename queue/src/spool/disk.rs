//! What a spool needs of a disk, and nothing more: files in one folder that grow at their ends.
//!
//! It exists so that the spool's rules can be tried against a disk that loses power, lies about a flush or fills up
//! (`MemoryDisk`), while the house runs on a real folder ([`Folder`](super::Folder)). Nothing is durable before it is
//! flushed: bytes by [`sync`](Disk::sync), names by [`sync_directory`](Disk::sync_directory).

use std::io;

/// One folder of a disk. Names are plain file names. Every call blocks until it is done.
pub trait Disk: Send {
    /// The names of all files, in any order.
    ///
    /// # Errors
    /// The folder cannot be read.
    fn list(&mut self) -> io::Result<Vec<String>>;

    /// How many bytes a file has.
    ///
    /// # Errors
    /// There is none of this name, or it cannot be looked at.
    fn size(&mut self, name: &str) -> io::Result<u64>;

    /// Reads at most `bytes_max` bytes, fewer at the end of the file.
    ///
    /// # Errors
    /// The bytes cannot be read.
    fn read(&mut self, name: &str, from: u64, bytes_max: usize) -> io::Result<Vec<u8>>;

    /// Makes an empty file; one that was there is emptied.
    ///
    /// # Errors
    /// The file cannot be made.
    fn create(&mut self, name: &str) -> io::Result<()>;

    /// Writes behind the last byte of the file.
    ///
    /// # Errors
    /// Not everything was written; some of it may have been.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Flushes the bytes of a file.
    ///
    /// # Errors
    /// Nobody knows which of the bytes written since the last flush are durable, and a second flush would not tell.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Flushes the names: what was made, renamed or removed.
    ///
    /// # Errors
    /// Nobody knows which names are durable.
    fn sync_directory(&mut self) -> io::Result<()>;

    /// Cuts a file to its first `bytes` bytes.
    ///
    /// # Errors
    /// The file is as it was.
    fn truncate(&mut self, name: &str, bytes: u64) -> io::Result<()>;

    /// Gives a file another name, in the place of whatever had that name.
    ///
    /// # Errors
    /// The file is called what it was.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The file is still there.
    fn remove(&mut self, name: &str) -> io::Result<()>;
}
