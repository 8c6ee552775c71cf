//! The order of the edge, written once.
//!
//! It exists so that the order is something to read and to argue about, not something that happens. Each check is one file that
//! knows one thing; this file says when it is asked, and why then. Before somebody has proved who they are, only limits
//! by address apply; those of a route or a bot come after it, or a stranger could use up what belongs to a bot.

use std::net::IpAddr;
use std::time::Instant;

use http::{HeaderMap, Method};
use pingora::http::RequestHeader;

use crate::events::Meters;
use crate::inspection::Findings;
use crate::refusal::{Limited, Refusal};
use crate::routes::{Action, Found};
use crate::rules::Rules;

mod content_type;
mod inspection;
mod length;
mod method;
mod networks;
mod path;
mod peer;
mod plain;
mod shape;
mod signature;
mod step;
mod strangers;
mod token;
mod verified;

pub(crate) use peer::Peers;
pub(crate) use plain::Plain;
pub(crate) use step::Steps;
pub use step::{Rule, Step};
pub(crate) use strangers::Strangers;

/// What the checks know of a request: its head, and who sent it.
pub(crate) struct Asked<'r> {
    pub(crate) head: &'r RequestHeader,
    pub(crate) address: IpAddr,
    pub(crate) now: Instant,
    /// Where the questions are noted, if anybody wants to know.
    pub(crate) steps: Option<&'r Steps>,
}

impl<'r> Asked<'r> {
    fn step<T>(&self, rule: Rule, outcome: Result<T, Refusal>) -> Result<T, Refusal> {
        match self.steps {
            Some(steps) => steps.note(rule, outcome),
            None => outcome,
        }
    }

    fn headers(&self) -> &'r HeaderMap {
        &self.head.headers
    }

    fn method(&self) -> &'r Method {
        &self.head.method
    }
}

/// A request's path is sound and belongs to a route.
///
/// # Errors
/// The first check that refused.
pub(crate) fn find<'r>(
    asked: &Asked<'r>,
    rules: &Rules,
    fields_max: usize,
) -> Result<Found<'r>, Refusal> {
    // Whoever is denied learns nothing else.
    asked.step(Rule::Address, networks::check(asked, &rules.deny))?;
    // What HTTP/1 was asked on its bytes, HTTP/2 is asked here: nothing is read that could be read in two ways.
    asked.step(Rule::Shape, shape::check(asked, fields_max))?;
    // Before anything compares paths: router, limits and upstream must see one and the same path.
    let path = asked.step(Rule::Path, path::check(asked))?;
    // Everything that follows belongs to a route, and asking for it is one walk over a short list.
    asked.step(Rule::Route, rules.table.find(path).ok_or(Refusal::NoRoute))
}

/// A request that may go on.
#[derive(Default)]
pub(crate) struct Admitted {
    /// What is left of the limit that it counted against.
    pub(crate) limited: Option<Limited>,
    /// What its head looked like.
    pub(crate) findings: Findings,
}

/// A request may go on to what its route does. Its body has not been touched.
///
/// # Errors
/// The first check that refused.
pub(crate) fn admit(
    asked: &Asked<'_>,
    found: &Found<'_>,
    strangers: &Strangers,
    meters: &Meters,
) -> Result<Admitted, Refusal> {
    let route = &found.route;
    let only = |limited| Admitted {
        limited: Some(limited),
        findings: Findings::default(),
    };
    // Before anything that would tell a stranger what lives here.
    asked.step(Rule::From, networks::check_route(asked, route))?;
    // The cheapest question that a route can ask.
    asked.step(Rule::Method, method::check(asked, route))?;
    match &route.action {
        Action::Accept(accepting) => {
            let bot = accepting.bot(found.rest).ok_or(Refusal::UnknownBot);
            let bot = asked.step(Rule::Bot, bot)?;
            // Two headers, no hashing: what cannot be right is not worth a comparison of secrets.
            asked.step(Rule::ContentType, content_type::check(asked))?;
            asked.step(Rule::Length, length::check(asked, accepting.body_bytes_max))?;
            // Reads one header. The body is still on the wire, so a forged request has cost next to nothing.
            let verdict = signature::check(asked, &bot.keys, &bot.source, meters);
            asked.step(Rule::Signature, verdict)?;
            // From here it is the source who speaks, and it counts against what is the source's.
            let limited = verified::check(asked, accepting, bot, meters);
            asked.step(Rule::BotLimit, limited).map(only)
        }
        Action::Forward(forwarding) => {
            // Nobody has vouched for it: what stands behind decides who may come in, so the address is what counts.
            let limited = asked.step(Rule::AddressLimit, strangers.admit(asked, meters))?;
            asked.step(
                Rule::Length,
                length::check(asked, forwarding.body_bytes_max),
            )?;
            // Last, since it costs most: it reads everything.
            let findings = match &route.inspector {
                Some(inspector) => {
                    let findings = inspection::check(asked, inspector);
                    asked.step(Rule::Inspection, findings)?
                }
                None => Findings::default(),
            };
            Ok(Admitted {
                limited: Some(limited),
                findings,
            })
        }
        Action::Status(tokens) => {
            asked.step(Rule::Token, token::check(asked, tokens))?;
            Ok(Admitted::default())
        }
        Action::Problems => asked
            .step(Rule::AddressLimit, strangers.admit(asked, meters))
            .map(only),
        // Whoever asks whether the process lives must be answered, above all when much is being refused.
        Action::Health(_) => Ok(Admitted::default()),
    }
}
