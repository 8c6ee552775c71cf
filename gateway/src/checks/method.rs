//! Does the route take this method?

use std::sync::Arc;

use super::Asked;
use crate::refusal::Refusal;
use crate::routes::Route;

pub(super) fn check(asked: &Asked<'_>, route: &Route) -> Result<(), Refusal> {
    if route.takes(asked.method()) {
        return Ok(());
    }
    Err(Refusal::Method(Arc::clone(&route.allow)))
}
