//! Whom a route asks for a certificate.
//!
//! The file of authorities is named here and read by the binary, like every file; what is in it may be exchanged at any time.

use std::path::PathBuf;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use validator::{Validate, ValidationError};

use super::refuse;

/// Authorities of one route: two while one is exchanged, and room for those of partners.
const AUTHORITIES_MAX: usize = 64;

/// Which client certificates open a route.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "has_authorities"))]
pub struct ClientCertificateSettings {
    /// PEM file with the certificates of those whose word is believed.
    pub authorities: PathBuf,
    /// Host names, one of which the certificate must be for (a DNS name among its alternative names). None: any that an
    /// authority has signed.
    #[serde(default)]
    #[validate(length(max = 100, message = "must be at most 100"))]
    pub names: Vec<String>,
    /// The authorities, once the file has been read.
    #[serde(skip)]
    pub(crate) read: Vec<CertificateDer<'static>>,
}

/// Why a file holds no authorities.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// It is no PEM.
    #[error("is not in PEM form")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// It holds none, or too many.
    #[error("must hold 1–64 certificates, has {0}")]
    Count(usize),
}

impl ClientCertificateSettings {
    /// Takes in what its file holds.
    ///
    /// # Errors
    /// When that are no certificates, or too many.
    pub fn read_authorities(&mut self, pem: &[u8]) -> Result<(), AuthoritiesError> {
        let read = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let read = read.map_err(AuthoritiesError::Pem)?;
        if !(1..=AUTHORITIES_MAX).contains(&read.len()) {
            return Err(AuthoritiesError::Count(read.len()));
        }
        self.read = read;
        Ok(())
    }
}

fn has_authorities(settings: &ClientCertificateSettings) -> Result<(), ValidationError> {
    match settings.authorities.as_os_str().is_empty() {
        true => Err(refuse("authorities", "authorities must name a file")),
        false => Ok(()),
    }
}
