//! TLS at the door: which versions and suites ([`profile`]), which certificates ([`certificates`]), and the handshake of both.

use std::sync::Arc;

use pingora::listeners::tls::{Acceptor, TlsSettings};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::acme::{self, Challenges};
use crate::rules::CurrentRules;
use crate::settings::{AcmeChallenge, Settings};
use clients::{AnyClient, Keep};

mod certificate;
mod certificates;
mod clients;
mod profile;

pub use certificate::{CertificateFacts, CertificateFault, CertificateRefused, PemPair};
pub(crate) use certificate::{dns_names, facts_of};
pub use certificates::{CertificateChanges, Certificates, PemSet};
pub(crate) use clients::ClientChain;
pub use profile::TlsProfile;

/// What performs handshakes: HTTP/2 before HTTP/1.1, in the versions and suites of the profile.
///
/// # Errors
/// When the cryptography that is linked does not support the profile.
pub(crate) fn acceptor(
    certificates: &Certificates,
    challenges: Challenges,
    settings: &Settings,
    rules: &CurrentRules,
) -> Result<Acceptor, rustls::Error> {
    let resolver: Arc<dyn ResolvesServerCert> = Arc::new(Resolver {
        certificates: certificates.clone(),
        challenges,
    });
    let config = server_config(Arc::clone(&resolver), settings, rules)?;
    // Pingora calls back for acceptors alone that it has configured itself. What it configures is not what we speak, so only the
    // callback is kept of it.
    let mut kept = TlsSettings::with_callbacks(Box::new(Keep))
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    kept.set_cert_resolver(resolver);
    let mut acceptor = kept.build();
    acceptor.acceptor = Acceptor::from_server_config(Arc::new(config)).acceptor;
    Ok(acceptor)
}

fn server_config(
    resolver: Arc<dyn ResolvesServerCert>,
    settings: &Settings,
    rules: &CurrentRules,
) -> Result<rustls::ServerConfig, rustls::Error> {
    let profile = settings.tls_profile;
    let provider = profile.provider();
    let clients = AnyClient {
        rules: Arc::clone(rules),
        algorithms: provider.signature_verification_algorithms,
    };
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(profile.versions())?
        .with_client_cert_verifier(Arc::new(clients))
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if settings.acme.is_on() && settings.acme.challenge == AcmeChallenge::TlsAlpn01 {
        config.alpn_protocols.push(acme::PROTOCOL.to_vec());
    }
    Ok(config)
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
