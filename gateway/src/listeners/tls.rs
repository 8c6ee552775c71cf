//! TLS at the door: which versions, which protocols, which certificate.
//!
//! It exists apart because the certificate changes while the edge runs: it is looked up for every handshake, so a new one counts
//! from the next connection on and no open one notices. Reading files and making development certificates is for the binary.

use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora::listeners::tls::Acceptor;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The chain is no PEM, or has no certificate in it.
    #[error("the certificate chain holds no certificate in PEM form")]
    Chain(#[source] Option<rustls_pki_types::pem::Error>),
    /// The key is no PEM, or no private key.
    #[error("the key file holds no private key in PEM form")]
    Key(#[source] rustls_pki_types::pem::Error),
    /// They do not belong together, or are of a kind that is not supported.
    #[error("the certificate and its key cannot be used together")]
    Pair(#[source] rustls::Error),
    /// TLS itself could not be set up.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// The certificate and its key, to be swapped at any time. Clones share it.
#[derive(Clone, Debug)]
pub struct TlsMaterial(Arc<Current>);

#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl TlsMaterial {
    /// Reads a certificate chain and its private key, both in PEM form.
    ///
    /// # Errors
    /// When one is missing, or they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let certified = certified(chain, key)?;
        Ok(Self(Arc::new(Current(ArcSwap::from_pointee(certified)))))
    }

    /// Replaces them for every handshake from now on.
    ///
    /// # Errors
    /// When the new ones cannot be used; the old ones stay.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), TlsError> {
        let certified = certified(chain, key)?;
        self.0.0.store(Arc::new(certified));
        Ok(())
    }
}

fn certified(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, TlsError> {
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Chain(Some(error)))?;
    if chain.is_empty() {
        return Err(TlsError::Chain(None));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(TlsError::Pair)
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// What performs handshakes: TLS 1.2 and 1.3 with rustls' suites, all of them AEAD with forward secrecy; HTTP/2 before HTTP/1.1.
///
/// # Errors
/// When the cryptography that is linked does not support this.
pub(crate) fn acceptor(material: &TlsMaterial) -> Result<Acceptor, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let resolver: Arc<dyn ResolvesServerCert> = material.0.clone();
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(TlsError::Setup)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Acceptor::from_server_config(Arc::new(config)))
}
