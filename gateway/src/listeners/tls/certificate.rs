//! One certificate with its key: read from PEM, judged, and described.
//!
//! It exists so that whatever is wrong with a pair is known, in words, before a handshake depends on it. Whether it is
//! shown, and to whom, is for [`super::certificates`].

use std::fmt::Write;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// A certificate and its key as they lie in two files. It prints nothing: one of them is a secret.
pub struct PemPair {
    /// What the operator calls it: the path of the chain's file.
    pub label: String,
    /// The names that it is shown for; empty: all that the certificate names.
    pub names: Vec<String>,
    /// The certificate and those that vouch for it, in PEM form.
    pub chain: Vec<u8>,
    /// The private key in PEM form.
    pub key: Vec<u8>,
}

/// A pair that is not served.
#[derive(Debug, thiserror::Error)]
#[error("the certificate of {label} cannot be served")]
pub struct CertificateRefused {
    /// Which one.
    pub label: String,
    /// Why.
    #[source]
    pub fault: CertificateFault,
}

/// What is wrong with a pair.
#[derive(Debug, thiserror::Error)]
pub enum CertificateFault {
    /// Its files cannot be read.
    #[error("its files cannot be read")]
    Files(#[source] std::io::Error),
    /// The chain is no PEM.
    #[error("its chain is not in PEM form")]
    Chain(#[source] rustls_pki_types::pem::Error),
    /// The chain is PEM of something else.
    #[error("its chain holds no certificate")]
    Empty,
    /// A certificate in it is broken.
    #[error("a certificate of its chain cannot be read")]
    Unreadable,
    /// Each certificate must be followed by the one that vouches for it; clients need not look further.
    #[error("its chain is not in order: each certificate must be followed by its issuer's")]
    Order,
    /// The key is no PEM, or no private key.
    #[error("its key file holds no private key in PEM form")]
    Key(#[source] rustls_pki_types::pem::Error),
    /// They do not belong together, or are of a kind that is not supported.
    #[error("the certificate and its key cannot be used together")]
    Pair(#[source] rustls::Error),
    /// It was asked to be shown for a name that it is not for, so every client would refuse it.
    #[error("it is not for {0}")]
    NotFor(String),
    /// No client could ever ask for it.
    #[error("it is for no host name, so it can only be the default")]
    Nameless,
    /// It is too late for it.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// It is too early for it.
    #[error("it is not valid before {0}")]
    TooEarly(Timestamp),
}

/// What there is to say about a certificate that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// SHA-256 of the certificate, in hexadecimal: what a browser shows too.
    pub fingerprint: String,
    /// The names that it is shown for.
    pub names: Vec<String>,
    /// From when on it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
}

impl CertificateFacts {
    /// What metrics call it: its first name.
    pub(crate) fn server_name(&self) -> &str {
        self.names.first().map_or("none", String::as_str)
    }

    /// Why nobody would accept it at this time.
    ///
    /// # Errors
    /// Before its time, and after it.
    pub(crate) fn at(&self, now: Timestamp) -> Result<(), CertificateFault> {
        if now > self.not_after {
            return Err(CertificateFault::Expired(self.not_after));
        }
        if now < self.not_before {
            return Err(CertificateFault::TooEarly(self.not_before));
        }
        Ok(())
    }
}

/// A pair that can be used for handshakes.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) facts: CertificateFacts,
}

impl Certificate {
    /// Reads and judges a pair; whether its time has come is another question, [`CertificateFacts::at`].
    pub(super) fn read(pair: &PemPair) -> Result<Self, CertificateFault> {
        let chain = CertificateDer::pem_slice_iter(&pair.chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(CertificateFault::Chain)?;
        let parsed = chain
            .iter()
            .map(|der| X509Certificate::from_der(der).map(|(_, certificate)| certificate))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| CertificateFault::Unreadable)?;
        let (own, fingerprint) = match (parsed.first(), chain.first()) {
            (Some(own), Some(der)) => (own, fingerprint(der)),
            _ => return Err(CertificateFault::Empty),
        };
        let follows = |(one, next): (&X509Certificate<'_>, &X509Certificate<'_>)| {
            one.issuer() == next.subject()
        };
        if !parsed.iter().zip(parsed.iter().skip(1)).all(follows) {
            return Err(CertificateFault::Order);
        }
        let facts = CertificateFacts {
            fingerprint,
            names: names(own, &pair.names)?,
            not_before: time(own.validity().not_before.timestamp())?,
            not_after: time(own.validity().not_after.timestamp())?,
        };
        let key = PrivateKeyDer::from_pem_slice(&pair.key).map_err(CertificateFault::Key)?;
        let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .map_err(CertificateFault::Pair)?;
        Ok(Self {
            key: Arc::new(key),
            facts,
        })
    }
}

/// What there is to say about the certificate of a pair that can be used.
///
/// # Errors
/// When it cannot be used.
pub(crate) fn facts_of(pair: &PemPair) -> Result<CertificateFacts, CertificateFault> {
    Certificate::read(pair).map(|certificate| certificate.facts)
}

fn fingerprint(der: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(der) {
        // Writing into a string does not fail.
        write!(text, "{byte:02x}").ok();
    }
    text
}

/// The host names that a certificate is for, in small letters.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn dns_names(certificate: &[u8]) -> Result<Vec<String>, CertificateFault> {
    let (_, certificate) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateFault::Unreadable)?;
    own_names(&certificate)
}

fn own_names(certificate: &X509Certificate<'_>) -> Result<Vec<String>, CertificateFault> {
    let extension = certificate
        .subject_alternative_name()
        .map_err(|_| CertificateFault::Unreadable)?;
    let all = extension
        .iter()
        .flat_map(|extension| &extension.value.general_names);
    let own = all.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(plain(name)),
        _ => None,
    });
    Ok(own.collect())
}

/// The names that the certificate is shown for: those asked for if it covers them, else all of its own.
fn names(
    certificate: &X509Certificate<'_>,
    asked: &[String],
) -> Result<Vec<String>, CertificateFault> {
    let own = own_names(certificate)?;
    if asked.is_empty() {
        return Ok(own);
    }
    let asked: Vec<String> = asked.iter().map(|name| plain(name)).collect();
    match asked
        .iter()
        .find(|name| !own.iter().any(|own| covers(own, name)))
    {
        Some(stranger) => Err(CertificateFault::NotFor(stranger.clone())),
        None => Ok(asked),
    }
}

/// A host name in the one form in which names are compared.
fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Whether a certificate's own name is good for this one; a star stands for exactly one label.
fn covers(own: &str, name: &str) -> bool {
    let below = |domain: &str| name.split_once('.').is_some_and(|(_, rest)| rest == domain);
    own == name || own.strip_prefix("*.").is_some_and(below)
}

fn time(seconds: i64) -> Result<Timestamp, CertificateFault> {
    Timestamp::from_second(seconds).map_err(|_| CertificateFault::Unreadable)
}

#[cfg(test)]
mod tests;
