//! Is the body announced to be larger than what is read? Then nobody needs to read it.

use http::header::CONTENT_LENGTH;

use super::Asked;
use crate::refusal::Refusal;

pub(super) fn check(asked: &Asked<'_>, bytes_max: usize) -> Result<(), Refusal> {
    let Some(value) = asked.headers().get(CONTENT_LENGTH) else {
        return Ok(());
    };
    let announced = value
        .to_str()
        .ok()
        .and_then(|digits| digits.parse::<usize>().ok());
    match announced {
        Some(length) if length <= bytes_max => Ok(()),
        Some(_) | None => Err(Refusal::BodyTooLarge(bytes_max)),
    }
}
