//! Does the request look like an attack?
//!
//! Asked of what is handed on, before it is; a webhook's sender has proved who it is, so of a webhook only the body is looked at,
//! and never refused for what somebody wrote ([`crate::accept`]). What looks like an attack is for
//! [`sallyport_security::inspection`].

use sallyport_security::inspection::{Inspector, Parts};

use super::Asked;
use crate::inspection::Findings;
use crate::refusal::Refusal;

pub(super) fn check(asked: &Asked<'_>, inspector: &Inspector) -> Result<Findings, Refusal> {
    let mut halves = asked.head.raw_path().splitn(2, |byte| *byte == b'?');
    let report = inspector.inspect(&Parts {
        path: halves.next().unwrap_or_default(),
        query: halves.next().unwrap_or_default(),
        headers: asked.headers(),
        body: None,
    });
    Findings::of(report)
}
