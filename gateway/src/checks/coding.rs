//! Is the body sent as it is?
//!
//! A compressed one would pass inspection unread, and whoever unpacks it behind the edge could be made to unpack a thousand times
//! as much. No source compresses what it sends, and the API takes nothing compressed: so nothing is unpacked here, and nothing packed
//! goes on. `identity` is no coding that a request may name (RFC 9110, section 8.4.1).

use http::header::CONTENT_ENCODING;

use super::Asked;
use crate::refusal::Refusal;

pub(super) fn check(asked: &Asked<'_>) -> Result<(), Refusal> {
    if asked.headers().contains_key(CONTENT_ENCODING) {
        return Err(Refusal::Coding);
    }
    Ok(())
}
