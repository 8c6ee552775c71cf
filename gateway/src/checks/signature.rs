//! Is it really the source that sends?
//!
//! The head is judged before the body has been read. Some providers send a secret in it, which settles the matter; for the others
//! it says at least that the request is written as they write it and not too old, and the signature over the body settles
//! it later. The comparison itself, in constant time, is for [`sallyport_sources`].

use sallyport_sources::Head;

use super::{Asked, Rule};
use crate::events::Meters;
use crate::refusal::Refusal;
use crate::routes::Bot;

/// Judges the head, and notes what it has shown.
pub(super) fn check_head(asked: &Asked<'_>, bot: &Bot, meters: &Meters) -> Result<Head, Refusal> {
    let verdict = bot.provider.check_head(asked.headers(), asked.arrived.date);
    let rule = match &verdict {
        // Not counted yet: the check of this signature ends with the body.
        Ok(Head::BodyDecides) => Rule::SignedHead,
        Ok(Head::Proven) | Err(_) => {
            meters.signature(&bot.source, outcome(&verdict));
            Rule::Signature
        }
    };
    asked.step(rule, verdict.map_err(Refusal::Signature))
}

/// Judges the whole.
pub(super) fn check_body(
    asked: &Asked<'_>,
    bot: &Bot,
    body: &[u8],
    meters: &Meters,
) -> Result<(), Refusal> {
    let verdict = bot
        .provider
        .verify(asked.headers(), body, asked.arrived.date);
    meters.signature(&bot.source, outcome(&verdict));
    verdict.map_err(Refusal::Signature)
}

/// As metrics spell it.
fn outcome<T>(verdict: &Result<T, sallyport_sources::Refusal>) -> &'static str {
    match verdict {
        Ok(_) => "ok",
        Err(refusal) => refusal.outcome(),
    }
}
