//! Certificates that clients show.
//!
//! They exist for routes that ask for one, and a handshake does not know yet which route it is for: so it asks everybody, takes none from
//! whoever has none, and makes sure only that the client holds the key. Whether the certificate is good enough is judged by
//! the route, for every request anew: neither a resumed session nor a connection that was opened for something else gets past it.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::listeners::TlsAccept;
use pingora::protocols::tls::TlsRef;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::rules::CurrentRules;

/// Certificates of one chain; a root, two in between and the client's own are common.
const CHAIN_MAX: usize = 6;
/// Bytes of one chain: it is kept for as long as its connection.
const CHAIN_BYTES_MAX: usize = 16 * 1024;

/// What a client has shown, its own certificate first. It holds the key to that; nothing else has been judged.
pub(crate) struct ClientChain(pub(crate) Vec<CertificateDer<'static>>);

/// Asks for a certificate while any route wants one.
pub(super) struct AnyClient {
    pub(super) rules: CurrentRules,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl std::fmt::Debug for AnyClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AnyClient")
    }
}

impl ClientCertVerifier for AnyClient {
    fn offer_client_auth(&self) -> bool {
        self.rules.load().asks_for_certificates
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: a client shows what it has, and reads why that is not enough.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let bytes: usize = others.iter().chain([own]).map(|one| one.len()).sum();
        if others.len() >= CHAIN_MAX || bytes > CHAIN_BYTES_MAX {
            return Err(Error::General("the client's chain is too long".to_owned()));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, own, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, own, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Keeps what a client has shown with its connection, where requests find it.
pub(super) struct Keep;

#[async_trait]
impl TlsAccept for Keep {
    async fn handshake_complete_callback(
        &self,
        shaken: &TlsRef,
    ) -> Option<Arc<dyn Any + Send + Sync>> {
        let chain = shaken.peer_cert_chain_der()?;
        Some(Arc::new(ClientChain(chain.to_vec())))
    }
}
