//! Where the account and the certificates lie: files in one folder that only their owner may read.
//!
//! A certificate and its key are one file, so that they are exchanged by one renaming and never belong to different renewals.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use sallyport_security::private_file;
use serde::{Deserialize, Serialize};

use super::order::Obtained;

/// The account's file.
const ACCOUNT: &str = "account.json";

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Vault(PathBuf);

/// An account, and whose it is: another authority does not know it.
#[derive(Deserialize, Serialize)]
struct Kept {
    directory_url: String,
    credentials: AccountCredentials,
}

impl Vault {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The file of the certificate for these names.
    pub(super) fn certificate(&self, names: &[String]) -> PathBuf {
        let name = names.first().map_or("none", String::as_str);
        self.0.join(format!("{name}.pem"))
    }

    pub(super) fn keep_certificate(&self, names: &[String], obtained: &Obtained) -> io::Result<()> {
        let whole = format!("{}{}", obtained.key, obtained.chain);
        self.write(&self.certificate(names), whole.as_bytes())
    }

    /// The account at this authority, if there is one. A file that cannot be read as one counts as none.
    pub(super) fn account(&self, directory_url: &str) -> Option<AccountCredentials> {
        let bytes = fs::read(self.0.join(ACCOUNT)).ok()?;
        let kept: Kept = serde_json::from_slice(&bytes).ok()?;
        (kept.directory_url == directory_url).then_some(kept.credentials)
    }

    pub(super) fn keep_account(
        &self,
        directory_url: &str,
        credentials: AccountCredentials,
    ) -> io::Result<()> {
        let directory_url = directory_url.to_owned();
        let kept = Kept {
            directory_url,
            credentials,
        };
        self.write(&self.0.join(ACCOUNT), &serde_json::to_vec(&kept)?)
    }

    /// Forgets the account, which the authority has forgotten too.
    pub(super) fn forget_account(&self) -> io::Result<()> {
        fs::remove_file(self.0.join(ACCOUNT))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)?;
        private_file::write(path, bytes)
    }
}
