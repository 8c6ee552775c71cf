//! Has the caller shown a certificate that opens the route?
//!
//! Judged for every request by its route, not when the connection was made: that may have been for another name, in a session of
//! last week, or before an authority lost its word.

use super::Asked;
use crate::refusal::Refusal;
use crate::routes::ClientCheck;

pub(super) fn check(asked: &Asked<'_>, check: &ClientCheck) -> Result<(), Refusal> {
    check
        .check(asked.client, asked.arrived.date)
        .map_err(Refusal::ClientCertificate)
}
