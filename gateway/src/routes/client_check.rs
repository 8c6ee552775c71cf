//! How a route knows its callers by their certificates, once its settings have become authorities.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, Error, RootCertStore};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::listeners::ClientChain;
use crate::rules::InvalidRules;
use crate::settings::ClientCertificateSettings;

/// How a route knows its callers. One judgement costs a signature for each certificate of the chain: 0.1–0.3 ms.
pub(crate) struct ClientCheck {
    verifier: Arc<dyn ClientCertVerifier>,
    names: Vec<String>,
}

/// Why a certificate does not open a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotThisClient {
    #[error("this path needs a client certificate, and none was shown")]
    Missing,
    #[error("the client certificate, or one that vouches for it, has expired")]
    Expired,
    #[error("the client certificate, or one that vouches for it, is not valid yet")]
    NotYetValid,
    #[error("no authority of this path has signed the client certificate")]
    UnknownAuthority,
    #[error("the client certificate is for none of the names that this path is open to")]
    Name,
    #[error("the client certificate cannot be used for this")]
    Unfit,
}

impl ClientCheck {
    pub(super) fn new(
        path: &str,
        settings: &ClientCertificateSettings,
    ) -> Result<Self, InvalidRules> {
        let unfit = || InvalidRules::Authorities {
            path: path.to_owned(),
        };
        let mut roots = RootCertStore::empty();
        for authority in &settings.read {
            roots
                .add(authority.clone())
                .map_err(|_no_authority| unfit())?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        Ok(Self {
            verifier: verifier.build().map_err(|_none| unfit())?,
            names: settings
                .names
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
        })
    }

    /// Whether what was shown on this connection opens the route at `now`.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(
        &self,
        shown: Option<&ClientChain>,
        now: SystemTime,
    ) -> Result<(), NotThisClient> {
        let (own, others) = shown
            .and_then(|chain| chain.0.split_first())
            .ok_or(NotThisClient::Missing)?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.verifier
            .verify_client_cert(own, others, UnixTime::since_unix_epoch(now))
            .map_err(|error| reason(&error))?;
        match self.names.is_empty() || self.is_named(own) {
            true => Ok(()),
            false => Err(NotThisClient::Name),
        }
    }

    /// Names are compared whole: a certificate for `*.example.org` is nobody in particular.
    fn is_named(&self, own: &CertificateDer<'_>) -> bool {
        let names = crate::listeners::dns_names(own).unwrap_or_default();
        names.iter().any(|name| self.names.contains(name))
    }
}

fn reason(error: &Error) -> NotThisClient {
    match error {
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => NotThisClient::Expired,
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => NotThisClient::NotYetValid,
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => NotThisClient::UnknownAuthority,
        _ => NotThisClient::Unfit,
    }
}
