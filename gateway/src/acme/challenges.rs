//! What an authority is shown while it looks whether a name is ours.
//!
//! It exists as a table of its own, because who asks for a certificate and who answers the authority's questions are far apart: the
//! questions come in at the doors, as a request (HTTP-01, RFC 8555) or as a handshake (TLS-ALPN-01, RFC 8737).

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;

use super::AcmeError;

/// Where an authority asks for a page.
const PREFIX: &str = "/.well-known/acme-challenge/";
/// The protocol that an authority asks for in its handshake, and in no other.
pub(crate) const PROTOCOL: &[u8] = b"acme-tls/1";

/// What is shown now. Clones share it: one is the edge's, one is with whoever asks for certificates.
#[derive(Clone, Debug, Default)]
pub struct Challenges(Arc<RwLock<Shown>>);

#[derive(Debug, Default)]
struct Shown {
    /// By token.
    pages: HashMap<String, String>,
    /// By name.
    certificates: HashMap<String, Arc<CertifiedKey>>,
}

/// Shows something until it is dropped.
#[must_use = "it is shown no more when this is dropped"]
pub(super) struct Showing {
    challenges: Challenges,
    what: What,
}

enum What {
    Page(String),
    Certificate(String),
}

impl Challenges {
    /// The page at this path, if an authority is to find one there.
    pub(crate) fn page(&self, path: &str) -> Option<String> {
        let token = path.strip_prefix(PREFIX)?;
        self.0.read().pages.get(token).cloned()
    }

    /// The certificate for an authority's handshake with this name.
    pub(crate) fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.0.read().certificates.get(name).cloned()
    }

    pub(super) fn show_page(&self, token: &str, content: &str) -> Showing {
        let token = token.to_owned();
        let mut shown = self.0.write();
        shown.pages.insert(token.clone(), content.to_owned());
        self.showing(What::Page(token))
    }

    /// Makes the certificate that holds this digest, and shows it.
    ///
    /// # Errors
    /// When it cannot be made, which would be a fault of the library.
    pub(super) fn show_certificate(&self, name: &str, digest: &[u8]) -> Result<Showing, AcmeError> {
        let mut parameters = CertificateParams::new([name.to_owned()])?;
        parameters.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let key = KeyPair::generate()?;
        let chain = vec![parameters.self_signed(&key)?.der().clone()];
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let key = aws_lc_rs::sign::any_supported_type(&key).map_err(AcmeError::Handshake)?;
        // Not checked against each other: the library that does so refuses the extension that this certificate is made for.
        let certified = CertifiedKey::new(chain, key);
        let name = name.to_owned();
        let mut shown = self.0.write();
        shown.certificates.insert(name.clone(), Arc::new(certified));
        Ok(self.showing(What::Certificate(name)))
    }

    fn showing(&self, what: What) -> Showing {
        let challenges = self.clone();
        Showing { challenges, what }
    }
}

impl Drop for Showing {
    fn drop(&mut self) {
        let mut shown = self.challenges.0.write();
        match &self.what {
            What::Page(token) => drop(shown.pages.remove(token)),
            What::Certificate(name) => drop(shown.certificates.remove(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_there_for_as_long_as_it_is_shown() {
        let challenges = Challenges::default();
        let showing = challenges.show_page("token", "content");

        let page = |path| challenges.clone().page(path);
        assert_eq!(
            page("/.well-known/acme-challenge/token").as_deref(),
            Some("content")
        );
        assert_eq!(page("/.well-known/acme-challenge/other"), None);
        assert_eq!(page("/token"), None);

        drop(showing);
        assert_eq!(page("/.well-known/acme-challenge/token"), None);
    }

    #[test]
    fn a_certificate_is_shown_for_its_name_alone() {
        let challenges = Challenges::default();
        let showing = challenges.show_certificate("a.test", &[7; 32]).unwrap();

        assert!(challenges.certificate("a.test").is_some());
        assert!(challenges.certificate("b.test").is_none());

        drop(showing);
        assert!(challenges.certificate("a.test").is_none());
    }
}
