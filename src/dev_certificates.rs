//! A certificate authority for this folder alone, and a server certificate from it, made at the first start.
//!
//! Why an authority and not one self-signed certificate: the server's certificate can be renewed at each start while `curl` and the
//! playground go on trusting the same file. Used only where no certificate is configured.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::dev_secrets::write_private;

/// Names under which a person on this machine reaches the edge.
const SERVER_NAMES: [&str; 3] = ["127.0.0.1", "::1", "localhost"];

/// The files of the development certificates.
#[derive(Debug, Clone)]
pub(crate) struct DevCertificates {
    /// The authority: what a client trusts (`curl --cacert`).
    pub(crate) authority: PathBuf,
    /// The server's certificate chain.
    pub(crate) chain: PathBuf,
    /// The server's private key, mode 0600.
    pub(crate) key: PathBuf,
}

/// Returns the three files, making them first if one is missing.
pub(crate) fn ensure(data: &Path) -> anyhow::Result<DevCertificates> {
    let folder = data.join("tls");
    let files = DevCertificates {
        authority: folder.join("ca.pem"),
        chain: folder.join("server.pem"),
        key: folder.join("server.key"),
    };
    if ![&files.authority, &files.chain, &files.key]
        .iter()
        .all(|file| file.exists())
    {
        fs::create_dir_all(&folder)?;
        make(&files).context("making the development certificates")?;
    }
    Ok(files)
}

fn make(files: &DevCertificates) -> anyhow::Result<()> {
    let mut authority = CertificateParams::default();
    authority
        .distinguished_name
        .push(DnType::CommonName, "Sallyport development authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for_a_decade(&mut authority);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

    let mut server = CertificateParams::new(SERVER_NAMES.map(str::to_owned))?;
    server
        .distinguished_name
        .push(DnType::CommonName, "Sallyport development server");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    valid_for_a_decade(&mut server);
    let key = KeyPair::generate()?;
    let server = server.signed_by(&key, &authority)?;

    write_private(&files.key, key.serialize_pem().as_bytes())?;
    write_private(
        &files.chain,
        format!("{}{}", server.pem(), authority.pem()).as_bytes(),
    )?;
    write_private(&files.authority, authority.pem().as_bytes())
}

/// Fixed dates: a clock that jumps must not turn the development edge off.
fn valid_for_a_decade(parameters: &mut CertificateParams) {
    parameters.not_before = date_time_ymd(2025, 1, 1);
    parameters.not_after = date_time_ymd(2036, 1, 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_made_once() {
        let data = tempfile::tempdir().unwrap();

        let files = ensure(data.path()).unwrap();
        let first = fs::read(&files.authority).unwrap();
        ensure(data.path()).unwrap();

        assert_eq!(fs::read(&files.authority).unwrap(), first);
        assert!(
            fs::read_to_string(&files.chain)
                .unwrap()
                .matches("BEGIN CERTIFICATE")
                .count()
                == 2
        );
    }
}
