//! The order of the edge, written once.
//!
//! It exists so that the order is something to read and to argue about, not something that happens. Each check is one file that
//! knows one thing; this file says when it is asked, and why then. Before somebody has proved who they are, only limits
//! by address apply; those of a route or a bot come after it, or a stranger could use up what belongs to a bot. Most sources prove
//! themselves by a signature over the body, so for those the last questions are asked when it has been read: [`vouch`].

use std::net::IpAddr;
use std::time::{Instant, SystemTime};

use http::{HeaderMap, Method};
use pingora::http::RequestHeader;
use sallyport_security::access_token::Subject;
use sallyport_sources::Head;

use crate::described::Described;
use crate::events::Meters;
use crate::inspection::Findings;
use crate::listeners::ClientChain;
use crate::refusal::{Limited, Refusal};
use crate::routes::{Accepting, Action, Bot, Found};
use crate::rules::Rules;

mod access_token;
mod client_certificate;
mod coding;
mod content_type;
mod inspection;
mod length;
mod method;
mod networks;
mod openapi;
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

/// When the head of a request was complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// For limits: a clock that never jumps.
    pub(crate) now: Instant,
    /// For what others have dated. A body that comes slowly makes no signature stale.
    pub(crate) date: SystemTime,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self {
            now: Instant::now(),
            date: SystemTime::now(),
        }
    }
}

/// What the checks know of a request: its head, and who sent it.
pub(crate) struct Asked<'r> {
    pub(crate) head: &'r RequestHeader,
    pub(crate) address: IpAddr,
    pub(crate) arrived: Moment,
    /// What was shown in the handshake of its connection.
    pub(crate) client: Option<&'r ClientChain>,
    /// Whether a body follows.
    pub(crate) has_body: bool,
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
    /// What the document of its API says about it.
    pub(crate) described: Described,
    /// Whom its access token has named.
    pub(crate) user: Option<Subject>,
    /// Whether it is a webhook that only its body can prove to be genuine: then [`vouch`] has to be asked.
    pub(crate) body_decides: bool,
}

impl Admitted {
    fn within(limited: Limited) -> Self {
        Self {
            limited: Some(limited),
            ..Self::default()
        }
    }
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
    // Before anything that would tell a stranger what lives here.
    asked.step(Rule::From, networks::check_route(asked, route))?;
    // The cheapest question that a route can ask.
    asked.step(Rule::Method, method::check(asked, route))?;
    // Before anybody is counted or has a body read: whoever may not come in costs nothing else.
    if let Some(check) = &route.client_check {
        let verdict = client_certificate::check(asked, check);
        asked.step(Rule::ClientCertificate, verdict)?;
    }
    match &route.action {
        Action::Accept(accepting) => admit_webhook(asked, accepting, found.rest, strangers, meters),
        Action::Forward(forwarding) => {
            // Nobody has vouched for it yet, or what stands behind decides who may come in: the address is what counts.
            let limited = asked.step(Rule::AddressLimit, strangers.admit(asked, meters))?;
            asked.step(Rule::Coding, coding::check(asked))?;
            asked.step(
                Rule::Length,
                length::check(asked, forwarding.body_bytes_max),
            )?;
            // A signature over a few hundred bytes costs less than looking at everything, and keeps strangers from having it done.
            // A browser asks without one whether it may show it.
            let is_question = || forwarding.answers.is_question(asked.head);
            let user = match &forwarding.access_token {
                Some(check) if !is_question() => {
                    let verdict = access_token::check(asked, route, check, meters);
                    Some(asked.step(Rule::AccessToken, verdict)?)
                }
                Some(_) | None => None,
            };
            // What the API does not have need not be looked at.
            let described = match &forwarding.contract {
                Some(check) if !is_question() => {
                    asked.step(Rule::OpenApi, openapi::check(asked, check))?
                }
                Some(_) | None => Described::default(),
            };
            // Last, since it costs most: it reads everything.
            let findings = match &route.inspector {
                Some(inspector) => {
                    let findings = inspection::check(asked, inspector);
                    asked.step(Rule::Inspection, findings)?
                }
                None => Findings::default(),
            };
            Ok(Admitted {
                findings,
                described,
                user,
                ..Admitted::within(limited)
            })
        }
        Action::Status(tokens) => {
            asked.step(Rule::Token, token::check(asked, tokens))?;
            Ok(Admitted::default())
        }
        Action::Problems => asked
            .step(Rule::AddressLimit, strangers.admit(asked, meters))
            .map(Admitted::within),
        // Whoever asks whether the process lives must be answered, above all when much is being refused.
        Action::Health(_) => Ok(Admitted::default()),
    }
}

/// As far as a webhook can be judged by its head.
fn admit_webhook(
    asked: &Asked<'_>,
    accepting: &Accepting,
    name: &str,
    strangers: &Strangers,
    meters: &Meters,
) -> Result<Admitted, Refusal> {
    let bot = accepting.bot(name).ok_or(Refusal::UnknownBot);
    let bot = asked.step(Rule::Bot, bot)?;
    // Three headers, no hashing: what cannot be right is not worth a comparison of secrets.
    let types = bot.provider.media_types();
    asked.step(Rule::ContentType, content_type::check(asked, types))?;
    asked.step(Rule::Coding, coding::check(asked))?;
    asked.step(Rule::Length, length::check(asked, accepting.body_bytes_max))?;
    // Reads a few headers. The body is still on the wire, so a forged request has cost next to nothing.
    match signature::check_head(asked, bot, meters)? {
        // It is the source who speaks, and it counts against what is the source's.
        Head::Proven => {
            let limited = verified::check(asked, accepting, bot, meters);
            asked.step(Rule::BotLimit, limited).map(Admitted::within)
        }
        // Nobody has proved anything, so nothing may be charged to the hook. Who has failed too often already is not
        // worth the reading and the hashing of a body that may be large.
        Head::BodyDecides => {
            asked.step(Rule::FailureLimit, strangers.look(asked, meters))?;
            Ok(Admitted {
                body_decides: true,
                ..Admitted::default()
            })
        }
    }
}

/// A webhook is genuine, as its body shows, and its source within what it may send. Asked of those whose head has proved nothing, when
/// the body is there, and before anything reads it.
///
/// # Errors
/// The first check that refused.
pub(crate) fn vouch(
    asked: &Asked<'_>,
    accepting: &Accepting,
    bot: &Bot,
    body: &[u8],
    meters: &Meters,
) -> Result<Limited, Refusal> {
    // The body's bytes as they came: nothing is parsed that may be forged.
    let verdict = signature::check_body(asked, bot, body, meters);
    asked.step(Rule::Signature, verdict)?;
    // As for those whose head had proved it, or a stranger could use up what belongs to the hook.
    asked.step(
        Rule::BotLimit,
        verified::check(asked, accepting, bot, meters),
    )
}
