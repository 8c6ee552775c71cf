//! Is the head one that every reader reads alike?
//!
//! HTTP/1 was judged on its bytes by [`crate::head`]; what is asked here again costs little and holds for HTTP/2, whose frames
//! its own library has checked.

use super::Asked;
use crate::refusal::Refusal;

pub(super) fn check(asked: &Asked<'_>, fields_max: usize) -> Result<(), Refusal> {
    if asked.headers().len() > fields_max {
        return Err(Refusal::TooManyFields(fields_max));
    }
    let method = asked.method().as_str();
    if !method
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte == b'-')
    {
        return Err(Refusal::Malformed("the method is not in capital letters"));
    }
    if asked.headers().contains_key(http::header::CONTENT_LENGTH)
        && asked
            .headers()
            .get_all(http::header::CONTENT_LENGTH)
            .iter()
            .count()
            > 1
    {
        return Err(Refusal::Malformed("there are two Content-Length fields"));
    }
    let expectation = asked.headers().get(http::header::EXPECT);
    if expectation.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Refusal::Expectation);
    }
    Ok(())
}
