//! Does the caller hold a token for a page that is not for everybody?

use http::header::AUTHORIZATION;
use sallyport_security::Digest;

use super::Asked;
use crate::refusal::Refusal;

pub(super) fn check(asked: &Asked<'_>, tokens: &[Digest]) -> Result<(), Refusal> {
    let mut fields = asked.headers().get_all(AUTHORIZATION).iter();
    let shown = fields
        .next()
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| Digest::of(token.trim().as_bytes()))
        .ok_or(Refusal::Token)?;
    if shown.is_one_of(tokens) && fields.next().is_none() {
        return Ok(());
    }
    Err(Refusal::Token)
}
