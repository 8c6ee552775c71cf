//! Has the caller's token named somebody, and is it genuine?
//!
//! Whoever is refused here reads the same whatever was wrong, so that nobody learns what to try next; why is in the metric, the log
//! and the trace. What makes a token genuine is for [`sallyport_security::access_token`].

use sallyport_security::access_token::{Rejected, Subject};

use super::Asked;
use crate::events::Meters;
use crate::refusal::Refusal;
use crate::routes::{Route, TokenCheck};

pub(super) fn check(
    asked: &Asked<'_>,
    route: &Route,
    check: &TokenCheck,
    meters: &Meters,
) -> Result<Subject, Refusal> {
    let verdict = super::token::bearer(asked.headers())
        .ok_or(Rejected::Missing)
        .and_then(|token| check.tokens.verify(token.as_bytes(), asked.arrived.date));
    let outcome = verdict.as_ref().map_or_else(|why| why.reason(), |_| "ok");
    meters.access_token(&route.template, outcome);
    verdict.map_err(Refusal::AccessToken)
}
