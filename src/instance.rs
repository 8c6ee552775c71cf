//! One server per data folder: a lock that the kernel gives back when its holder dies, however it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, bail};

/// Held for the life of the process.
#[derive(Debug)]
pub(crate) struct Instance {
    file: File,
}

impl Instance {
    /// Takes the folder, or says who has it.
    pub(crate) fn take(data: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data)?;
        let path = data.join("sallyport.lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                bail!("Already running: {}", holder.trim());
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("locking {}", path.display()))
            }
        }
    }

    /// Writes what a second start shows: the pid and where to look.
    pub(crate) fn describe(&mut self, text: &str) -> anyhow::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "pid {}, {text}", std::process::id())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_is_told_who_runs() {
        let data = tempfile::tempdir().unwrap();
        let mut first = Instance::take(data.path()).unwrap();
        first.describe("http://127.0.0.1:8088").unwrap();

        let second = Instance::take(data.path()).unwrap_err();

        assert!(second.to_string().starts_with("Already running: pid "));
        assert!(second.to_string().ends_with("http://127.0.0.1:8088"));
    }

    #[test]
    fn a_folder_is_free_again_when_its_holder_is_gone() {
        let data = tempfile::tempdir().unwrap();
        drop(Instance::take(data.path()).unwrap());

        assert!(Instance::take(data.path()).is_ok());
    }
}
