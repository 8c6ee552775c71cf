//! Is it really the source that sends?
//!
//! Telegram's secret stands in a header, so this is asked before the body has been read. The comparison itself, in constant
//! time, is for [`sallyport_sources`].

use sallyport_sources::telegram::{self, Keys};

use super::Asked;
use crate::events::Meters;
use crate::refusal::Refusal;

pub(super) fn check(
    asked: &Asked<'_>,
    keys: &Keys,
    source: &str,
    meters: &Meters,
) -> Result<(), Refusal> {
    let verdict = telegram::verify(asked.headers(), keys);
    let outcome = match &verdict {
        Ok(()) => "ok",
        Err(refusal) => refusal.outcome(),
    };
    meters.signature(source, outcome);
    verdict.map_err(Refusal::Signature)
}
