//! The settings and secrets that go along with a backup: files, sealed as one.

use std::path::{Component, Path};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sallyport_security::Secret;
use sallyport_security::sealed::{self, OpenError, Title};
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::error::Trouble;
use crate::manifest::{Manifest, SETTINGS};

/// The version of what is inside the seal.
const VERSION: u32 = 1;

/// A file to be kept: its name below the folder that it is unpacked into, and its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptFile {
    /// Relative, such as `config/apps.yaml`.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for KeptFile {
    /// Only the name: what is kept is mostly secret.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("KeptFile").field(&self.name).finish()
    }
}

#[derive(Serialize, Deserialize)]
struct Packed {
    name: String,
    content: String,
}

/// Seals the files for the backup `id`, into its folder.
pub(crate) async fn seal(
    password: &Secret,
    id: &str,
    files: &[KeptFile],
    folder: &Path,
) -> Result<(), Trouble> {
    let packed: Vec<Packed> = files
        .iter()
        .map(|file| Packed {
            name: file.name.clone(),
            content: STANDARD.encode(&file.bytes),
        })
        .collect();
    let bytes = serde_json::to_vec(&packed)
        .map_err(|_| Trouble::Bug("the settings could not be written as JSON"))?;
    let (password, name) = (password.clone(), title(id));
    let sealed = tokio::task::spawn_blocking(move || {
        let title = Title {
            name: &name,
            version: VERSION,
        };
        sealed::seal(&password, title, &bytes)
    });
    let sealed = sealed
        .await
        .map_err(|_| Trouble::Bug("sealing the settings was cut off"))?
        .map_err(|_| Trouble::Bug("the settings could not be sealed"))?;
    Ok(disk::write_whole(
        &folder.join(SETTINGS),
        sealed.as_bytes(),
    )?)
}

/// Opens the sealed settings of a backup whose checksums were checked before: what does not open then has another password.
pub(crate) async fn open(
    password: &Secret,
    manifest: &Manifest,
    folder: &Path,
) -> Result<Vec<KeptFile>, Trouble> {
    if password.is_empty() {
        return Err(Trouble::NoPassword);
    }
    let path = folder.join(SETTINGS);
    let text = String::from_utf8(disk::read(&path)?)
        .map_err(|_| Trouble::damaged(&path, "it is not text"))?;
    let (password, name) = (password.clone(), title(&manifest.id));
    let opened = tokio::task::spawn_blocking(move || {
        let title = Title {
            name: &name,
            version: VERSION,
        };
        sealed::open(&password, title, &text)
    });
    let opened = opened
        .await
        .map_err(|_| Trouble::Bug("opening the settings was cut off"))?
        .map_err(|error| match error {
            OpenError::WrongPassword => Trouble::WrongPassword,
            OpenError::AnotherValue | OpenError::Malformed | OpenError::Rounds { .. } => {
                Trouble::damaged(&path, error.to_string())
            }
        })?;
    let packed: Vec<Packed> = serde_json::from_slice(&opened)
        .map_err(|_| Trouble::damaged(&path, "its content cannot be read"))?;
    let unpacked = packed.into_iter().map(|one| {
        let bytes = STANDARD.decode(&one.content).ok()?;
        Some(KeptFile {
            name: one.name,
            bytes,
        })
    });
    unpacked
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| Trouble::damaged(&path, "its content cannot be read"))
}

/// Writes kept files below `into`, which must be empty or not there, readable by their owner alone.
///
/// # Errors
/// The folder is not empty, a file cannot be written, or a name would leave the folder.
pub fn unpack(files: &[KeptFile], into: &Path) -> Result<(), Trouble> {
    if !disk::entries(into)?.is_empty() {
        return Err(Trouble::damaged(
            into,
            "settings are unpacked into an empty folder only",
        ));
    }
    disk::make_folder(into, 0o700)?;
    for file in files {
        let name = Path::new(&file.name);
        let stays = name
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !stays {
            return Err(Trouble::damaged(name, "its name leads out of the folder"));
        }
        let target = into.join(name);
        target
            .parent()
            .map_or(Ok(()), |parent| disk::make_folder(parent, 0o700))?;
        disk::write_whole(&target, &file.bytes)?;
    }
    Ok(())
}

fn title(id: &str) -> String {
    format!("backup settings {id}")
}
