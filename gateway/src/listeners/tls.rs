//! TLS at the door: which versions and suites ([`profile`]), which certificates ([`certificates`]), and the handshake of both.

use std::sync::Arc;

use pingora::listeners::tls::Acceptor;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::acme::{self, Challenges};
use crate::settings::{AcmeChallenge, Settings};

mod certificate;
mod certificates;
mod profile;

pub(crate) use certificate::facts_of;
pub use certificate::{CertificateFacts, CertificateFault, CertificateRefused, PemPair};
pub use certificates::{CertificateChanges, Certificates, PemSet};
pub use profile::TlsProfile;

/// What performs handshakes: HTTP/2 before HTTP/1.1, in the versions and suites of the profile.
///
/// # Errors
/// When the cryptography that is linked does not support the profile.
pub(crate) fn acceptor(
    certificates: &Certificates,
    challenges: Challenges,
    settings: &Settings,
) -> Result<Acceptor, rustls::Error> {
    let profile = settings.tls_profile;
    let resolver = Resolver {
        certificates: certificates.clone(),
        challenges,
    };
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(profile.provider()))
        .with_protocol_versions(profile.versions())?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if settings.acme.is_on() && settings.acme.challenge == AcmeChallenge::TlsAlpn01 {
        config.alpn_protocols.push(acme::PROTOCOL.to_vec());
    }
    Ok(Acceptor::from_server_config(Arc::new(config)))
}

/// Which certificate a client is shown.
#[derive(Debug)]
struct Resolver {
    certificates: Certificates,
    challenges: Challenges,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut protocols = hello.alpn().into_iter().flatten();
        if protocols.any(|protocol| protocol == acme::PROTOCOL) {
            return self.challenges.certificate(hello.server_name()?);
        }
        self.certificates.shown_to(&hello)
    }
}
