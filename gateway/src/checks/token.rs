//! Does the caller hold a token for a page that is not for everybody?

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sallyport_security::Digest;

use super::Asked;
use crate::refusal::Refusal;

pub(super) fn check(asked: &Asked<'_>, tokens: &[Digest]) -> Result<(), Refusal> {
    let shown = bearer(asked.headers()).ok_or(Refusal::Token)?;
    match Digest::of(shown.as_bytes()).is_one_of(tokens) {
        true => Ok(()),
        false => Err(Refusal::Token),
    }
}

/// The bearer token that is shown; nothing when there are several, since two readers could choose differently.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (scheme, token) = fields.next()?.to_str().ok()?.split_once(' ')?;
    let is_alone = fields.next().is_none();
    (is_alone && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}
