//! Does the API have such a request?
//!
//! Asked before the inspection: what the API does not have is refused in words that help, whatever it looks like. What the head leaves
//! open, the body, is judged when it is whole ([`crate::described`]).

use sallyport_security::openapi::Parts;

use super::Asked;
use crate::described::Described;
use crate::refusal::Refusal;
use crate::routes::ContractCheck;

pub(super) fn check(asked: &Asked<'_>, check: &ContractCheck) -> Result<Described, Refusal> {
    let uri = &asked.head.uri;
    let judged = check.contract.judge_head(&Parts {
        method: asked.method(),
        path: uri.path(),
        query: uri.query(),
        headers: asked.headers(),
        has_body: asked.has_body,
    });
    Described::of(judged, asked.headers(), asked.has_body, check.refuses)
}
