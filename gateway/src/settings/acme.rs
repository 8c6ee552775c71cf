//! Which certificates an authority is asked for, and how it is shown that their names are ours.

use std::path::PathBuf;

use serde::Deserialize;
use validator::{Validate, ValidationError};

/// Names of one certificate; what public authorities take.
const NAMES_MAX: usize = 100;
/// Certificates that one edge asks for. Public authorities give some fifty a week per domain.
const CERTIFICATES_MAX: usize = 50;

/// An authority that speaks ACME.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[validate(schema(function = "is_whole"))]
pub struct AcmeSettings {
    /// The URL of its directory; empty: no authority is asked.
    pub directory_url: String,
    /// Whom it may write to, as in `mailto:ops@example.org`.
    #[validate(length(max = 8))]
    pub contacts: Vec<String>,
    /// That its terms of service were read and are agreed to.
    pub terms_agreed: bool,
    /// How it is shown that the names are ours.
    pub challenge: AcmeChallenge,
    /// The names of each certificate.
    pub certificates: Vec<Vec<String>>,
    /// PEM file with the certificate that vouches for the authority's own door; empty: those that this machine trusts.
    pub root_file: PathBuf,
}

/// How an authority is shown that a name is ours. Neither works for wildcards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AcmeChallenge {
    /// It fetches a page from port 80 of the name: the plain door.
    #[default]
    #[serde(rename = "http_01")]
    Http01,
    /// It shakes hands with port 443 of the name: the TLS door.
    #[serde(rename = "tls_alpn_01")]
    TlsAlpn01,
}

impl AcmeSettings {
    /// Whether an authority is asked at all.
    pub fn is_on(&self) -> bool {
        !self.directory_url.is_empty()
    }
}

fn is_whole(acme: &AcmeSettings) -> Result<(), ValidationError> {
    let refuse =
        |message: &'static str| Err(ValidationError::new("acme").with_message(message.into()));
    if !acme.is_on() {
        return Ok(());
    }
    if !acme.directory_url.starts_with("https://") {
        return refuse("directory_url must begin with https://");
    }
    if !acme.terms_agreed {
        return refuse("terms_agreed must be true: the authority gives nothing without that");
    }
    let sizes = 1..=NAMES_MAX;
    let all = &acme.certificates;
    if all.is_empty()
        || all.len() > CERTIFICATES_MAX
        || !all.iter().all(|names| sizes.contains(&names.len()))
    {
        return refuse("certificates must be 1–50 lists of 1–100 names");
    }
    if !all.iter().flatten().all(|name| is_a_host(name)) {
        return refuse("each name must be a host name in small letters, and no wildcard");
    }
    Ok(())
}

/// Also a file's name, so nothing else gets through.
fn is_a_host(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= 253
        && name.contains('.')
        && name
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(plain))
}
