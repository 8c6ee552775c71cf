//! How far the spool was replayed: one number in one small file, replaced as a whole.
//!
//! It may lag behind: what is replayed twice is absorbed by the unique pair (law L2). It must never run ahead.

use std::io;

use super::disk::Disk;

const NAME: &str = "replayed";
const NEW_NAME: &str = "replayed.new";
const MAGIC: [u8; 8] = *b"sallyoff";

/// The number, when there is one that can be believed.
pub(super) fn read(disk: &mut impl Disk) -> Option<u64> {
    let bytes = disk.read(NAME, 0, 64).ok()?;
    let (signed, checksum) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(signed) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let number = signed.strip_prefix(&MAGIC)?;
    Some(u64::from_le_bytes(number.try_into().ok()?))
}

/// Replaces the number durably.
pub(super) fn write(disk: &mut impl Disk, number: u64) -> io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    disk.create(NEW_NAME)?;
    disk.append(NEW_NAME, &bytes)?;
    disk.sync(NEW_NAME)?;
    disk.rename(NEW_NAME, NAME)?;
    disk.sync_directory()
}
