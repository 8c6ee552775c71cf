//! TLS at the door: which versions and suites ([`profile`]), which certificates ([`certificates`]), and the handshake of both.

use std::sync::Arc;

use pingora::listeners::tls::Acceptor;

mod certificate;
mod certificates;
mod profile;

pub use certificate::{CertificateFacts, CertificateFault, CertificateRefused, PemPair};
pub use certificates::{CertificateChanges, Certificates, PemSet};
pub use profile::TlsProfile;

/// What performs handshakes: HTTP/2 before HTTP/1.1, in the versions and suites of the profile.
///
/// # Errors
/// When the cryptography that is linked does not support the profile.
pub(crate) fn acceptor(
    certificates: &Certificates,
    profile: TlsProfile,
) -> Result<Acceptor, rustls::Error> {
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(profile.provider()))
        .with_protocol_versions(profile.versions())?
        .with_no_client_auth()
        .with_cert_resolver(certificates.resolver());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Acceptor::from_server_config(Arc::new(config)))
}
