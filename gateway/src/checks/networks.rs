//! May anything come in from this address?
//!
//! Connections of a denied address are closed before this; it is asked again here for clients that our own proxies name.

use super::Asked;
use crate::networks::DenyList;
use crate::refusal::Refusal;
use crate::routes::Route;

pub(super) fn check(asked: &Asked<'_>, deny: &DenyList) -> Result<(), Refusal> {
    match deny.denies(asked.address) {
        true => Err(Refusal::Address),
        false => Ok(()),
    }
}

pub(super) fn check_route(asked: &Asked<'_>, route: &Route) -> Result<(), Refusal> {
    match route.open_to.admits(asked.address) {
        true => Ok(()),
        false => Err(Refusal::Address),
    }
}
