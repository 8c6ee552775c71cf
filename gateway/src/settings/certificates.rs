//! Which certificates the TLS door shows, and as which files they lie.
//!
//! They exist apart from the other settings because they are the only ones that change under a running edge: the files are named
//! here once, and what is in them may be renewed at any time. Reading them is for the binary.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use validator::{Validate, ValidationError};

/// Certificates are looked up by name, so this bounds only what a start has to read.
const CERTIFICATES_MAX: usize = 1_000;

/// One certificate: its files, and the names that it is shown for. Both files empty: there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[validate(schema(function = "both_or_none"))]
pub struct CertificateSettings {
    /// PEM file with the certificate and those that vouch for it, in their order.
    pub chain_file: PathBuf,
    /// PEM file with its private key.
    pub key_file: PathBuf,
    /// Host names that it is shown for, `*.example.org` among them; empty: all that the certificate itself names. Authorities
    /// put at most 100 into one.
    #[validate(length(max = 100))]
    pub names: Vec<String>,
}

impl CertificateSettings {
    /// The two files, when they are set.
    pub fn files(&self) -> Option<(&Path, &Path)> {
        let set = !self.chain_file.as_os_str().is_empty();
        set.then_some((self.chain_file.as_path(), self.key_file.as_path()))
    }
}

fn both_or_none(certificate: &CertificateSettings) -> Result<(), ValidationError> {
    if certificate.chain_file.as_os_str().is_empty() == certificate.key_file.as_os_str().is_empty()
    {
        return Ok(());
    }
    let message = "chain_file and key_file must both be set or both be empty";
    Err(ValidationError::new("half_a_certificate").with_message(message.into()))
}

/// A further certificate without files would be none at all.
pub(super) fn have_files(certificates: &[CertificateSettings]) -> Result<(), ValidationError> {
    let all = certificates
        .iter()
        .all(|certificate| certificate.files().is_some());
    if all && certificates.len() <= CERTIFICATES_MAX {
        return Ok(());
    }
    let message =
        format!("certificates must be at most {CERTIFICATES_MAX}, each with its two files");
    Err(ValidationError::new("certificates").with_message(message.into()))
}
