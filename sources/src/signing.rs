//! Writing a head as a provider would: for trying out a hook, and for tests.

use http::{HeaderMap, HeaderName, HeaderValue};
use sallyport_security::Secret;
use sallyport_security::signature::{MacHash, MacKey};

use crate::hmac::Nonsense;
use crate::{UnfitKey, encoding};

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum CannotSign {
    /// The secret is no key of this provider.
    #[error(transparent)]
    Key(#[from] UnfitKey),
    /// The settings contradict themselves.
    #[error(transparent)]
    Settings(#[from] Nonsense),
    /// Something cannot stand in a header.
    #[error("it cannot stand in a header")]
    Header(#[from] http::header::InvalidHeaderValue),
}

/// A head of these fields, whose values are kept out of debug output.
pub(crate) fn head_of<const N: usize>(
    fields: [(HeaderName, &str); N],
) -> Result<HeaderMap, CannotSign> {
    let mut head = HeaderMap::with_capacity(N);
    for (name, value) in fields {
        let mut value = HeaderValue::from_str(value)?;
        value.set_sensitive(true);
        head.insert(name, value);
    }
    Ok(head)
}

/// The MAC of `parts` with SHA-256 under the text of `secret`, in hexadecimal digits.
pub(crate) fn hex_sha256(secret: &Secret, parts: &[&[u8]]) -> String {
    let key = MacKey::new(MacHash::Sha256, secret.expose().as_bytes());
    encoding::hex(key.sign(parts).as_bytes())
}
