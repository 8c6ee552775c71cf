//! What the edge would do with a request, and why: `sallyport explain`.
//!
//! It exists because a refusal tells a stranger as little as it can, and an operator wants all of it. The request goes through the
//! very checks that the edge asks, in their order, over the settings as they are; nothing is stored, sent or counted, and
//! limits are taken to be full. What became of a past request is for its trace.

use std::net::IpAddr;
use std::sync::Arc;

use http::header;
use pingora::http::RequestHeader;
use sallyport_sources::Arrival;
use sallyport_telemetry::trace::{KeepPolicy, SpanRecord, SpanSink};

use crate::accept;
use crate::checks::{self, Admitted, Asked, Moment, Rule, Step, Steps};
use crate::events::Meters;
use crate::head::{self, EndFinder, HeadLimits};
use crate::inspection::{HeldBody, inspect_body};
use crate::problem;
use crate::refusal::{Limited, Refusal};
use crate::routes::{Accepting, Action, Bot, Found};
use crate::rules::{InvalidRules, Rules};
use crate::settings::{Importance, Settings};

/// A request that somebody asks about, as HTTP/1.1 would carry it.
#[derive(Clone, Debug)]
pub struct Probe {
    /// In capital letters, as HTTP has it.
    pub method: String,
    /// The path with its query, as it would stand in the request line: nothing is decoded or repaired.
    pub target: String,
    /// In their order; a `Host` and the body's length are added if they are missing.
    pub headers: Vec<(String, String)>,
    /// Its body; without one a webhook is followed up to where its body would be read.
    pub body: Option<Vec<u8>>,
    /// Where it comes from: the other end of the connection.
    pub peer: IpAddr,
    /// Whether that has TLS.
    pub has_tls: bool,
}

/// What would become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It would be stored, and then answered 200.
    Stored {
        /// Who sends it, for example `telegram:ops`.
        source: String,
        /// Whether its body was looked at: else it depends on that, too.
        body_is_known: bool,
    },
    /// It asks whether somebody is here, and would be answered without being stored.
    Replied {
        /// Who asks, for example `discord:ops`.
        source: String,
    },
    /// It would be handed on, and the answer back.
    Forwarded {
        /// Where to: an address, or a group and what is in it.
        upstream: String,
    },
    /// The edge would answer with a page of its own.
    Answered,
    /// It would be sent to the same address under https.
    Moved {
        /// Where that is.
        location: String,
    },
    /// It would be refused.
    Refused {
        /// The answer's status.
        status: u16,
        /// As metrics and logs spell it.
        reason: &'static str,
        /// What the sender reads.
        detail: String,
        /// What no sender reads, if there is more to say.
        note: Option<String>,
    },
}

/// What would become of a request, and why.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Whom the edge takes for the client.
    pub client: IpAddr,
    /// The template of the route that it belongs to.
    pub route: Option<String>,
    /// The questions that were asked, in their order; the last one decided.
    pub steps: Vec<Step>,
    /// The limits that it would count against: name, and how much in how long.
    pub limits: Vec<String>,
    /// How much is lost when it is turned away while the house is slow; nothing for what never is, or was refused before.
    pub importance: Option<Importance>,
    /// What would become of it.
    pub outcome: Outcome,
}

/// Nobody traces a question.
struct Nowhere;

impl SpanSink for Nowhere {
    fn keep(&self, _spans: Vec<SpanRecord>) {}
}

/// Asks everything that the edge would ask of `probe`.
///
/// # Errors
/// When something in the settings was never validated and makes no sense.
pub fn explain(settings: &Settings, probe: &Probe) -> Result<Explanation, InvalidRules> {
    let arrived = Moment::now();
    let rules = Rules::new(settings, None, arrived.now, None)?;
    let meters = Meters::new(Arc::new(Nowhere), KeepPolicy::default(), arrived.now)?;
    let steps = Steps::default();
    let mut explainer = Explainer {
        rules: &rules,
        meters: &meters,
        head: HeadLimits::of(&settings.connections),
        arrived,
        steps: &steps,
        client: probe.peer,
        route: None,
        limits: Vec::new(),
        importance: None,
    };
    let outcome = explainer.follow(probe).unwrap_or_else(refused);
    let Explainer {
        client,
        route,
        limits,
        importance,
        ..
    } = explainer;
    Ok(Explanation {
        client,
        route,
        steps: steps.into_vec(),
        limits,
        importance,
        outcome,
    })
}

fn refused(refusal: Refusal) -> Outcome {
    Outcome::Refused {
        status: refusal.status().as_u16(),
        reason: refusal.reason(),
        detail: refusal.detail(),
        note: refusal.note(),
    }
}

struct Explainer<'e> {
    rules: &'e Rules,
    meters: &'e Meters,
    head: HeadLimits,
    arrived: Moment,
    steps: &'e Steps,
    client: IpAddr,
    route: Option<String>,
    limits: Vec<String>,
    importance: Option<Importance>,
}

impl Explainer<'_> {
    fn follow(&mut self, probe: &Probe) -> Result<Outcome, Refusal> {
        let judged = self.judge_head(probe);
        let head = self.steps.note(Rule::Head, judged)?;
        self.client = self.rules.peers.client(probe.peer, &head.headers);
        let asked = Asked {
            head: &head,
            address: self.client,
            arrived: self.arrived,
            client: None,
            has_body: announces_body(&head),
            steps: Some(self.steps),
        };
        let found = checks::find(&asked, self.rules, self.head.fields_max)?;
        self.route = Some(found.route.template.to_string());
        let scheme = if probe.has_tls { "https" } else { "http" };
        let elsewhere = self.rules.plain.check(&asked, scheme, &found.route);
        if let Some(location) = self.steps.note(Rule::Plain, elsewhere)? {
            return Ok(Outcome::Moved { location });
        }
        let mut admitted = checks::admit(&asked, &found, &self.rules.strangers, self.meters)?;
        let named = found.route.limits.iter().map(|limit| limit.to_string());
        self.limits = admitted.limited.iter().map(told).chain(named).collect();
        let has_gate = found.route.gate.is_some();
        self.importance =
            Some(importance(&found)).filter(|of| has_gate && *of != Importance::Vital);
        self.conclude(&found, &mut admitted, &head, probe)
    }

    /// The head as it would stand on the wire, judged and read as the edge does.
    fn judge_head(&self, probe: &Probe) -> Result<RequestHeader, Refusal> {
        let fields = fields(probe);
        let mut wire = format!("{} {} HTTP/1.1\r\n", probe.method, probe.target);
        for (name, value) in &fields {
            wire.push_str(&format!("{name}: {value}\r\n"));
        }
        wire.push_str("\r\n");
        let cut = Refusal::Malformed("the head ends before its empty line");
        let end = EndFinder::default().find(wire.as_bytes(), self.head)?;
        let bytes = wire.as_bytes().get(..end.unwrap_or_default()).ok_or(cut)?;
        head::judge(bytes, self.head)?;
        let unreadable = |_| Refusal::Malformed("the head cannot be read");
        let method = probe.method.as_str();
        let mut head = RequestHeader::build(method, probe.target.as_bytes(), Some(fields.len()))
            .map_err(unreadable)?;
        for (name, value) in fields {
            head.append_header(name, value.trim()).map_err(unreadable)?;
        }
        Ok(head)
    }

    /// What the route does with a request that was let in.
    fn conclude(
        &mut self,
        found: &Found<'_>,
        admitted: &mut Admitted,
        head: &RequestHeader,
        probe: &Probe,
    ) -> Result<Outcome, Refusal> {
        match &found.route.action {
            Action::Accept(accepting) => {
                let bot = accepting.bot(found.rest).ok_or(Refusal::UnknownBot)?;
                let Some(body) = &probe.body else {
                    return Ok(Outcome::Stored {
                        source: bot.source.to_string(),
                        body_is_known: false,
                    });
                };
                self.check_size(body, accepting.body_bytes_max)?;
                if admitted.body_decides {
                    self.vouch(accepting, bot, head, body)?;
                }
                self.read_body(bot, head, body)
            }
            Action::Forward(forwarding) => {
                let body = probe.body.as_deref().unwrap_or_default();
                if body.len() > forwarding.body_bytes_max {
                    self.check_size(body, forwarding.body_bytes_max)?;
                }
                if admitted.described.reads_body() {
                    let judged = admitted.described.judge_body(&head.headers, body);
                    self.steps.note(Rule::OpenApi, judged)?;
                }
                self.inspect_body(found, head, body)?;
                Ok(Outcome::Forwarded {
                    upstream: forwarding.to.to_string(),
                })
            }
            Action::Problems => {
                let page = problem::named(found.rest).ok_or(Refusal::NoRoute);
                self.steps
                    .note(Rule::Route, page)
                    .map(|_| Outcome::Answered)
            }
            Action::Health(_) | Action::Status(_) => Ok(Outcome::Answered),
        }
    }

    /// A body that is handed on is looked at when it is whole.
    fn inspect_body(
        &self,
        found: &Found<'_>,
        head: &RequestHeader,
        body: &[u8],
    ) -> Result<(), Refusal> {
        let held = HeldBody::for_request(&head.headers);
        let (Some(inspector), Some(held)) = (&found.route.inspector, held) else {
            return Ok(());
        };
        let looked = inspect_body(inspector, held.format, body);
        self.steps.note(Rule::Inspection, looked).map(|_| ())
    }

    fn check_size(&self, body: &[u8], bytes_max: usize) -> Result<(), Refusal> {
        let fits = match body.len() <= bytes_max {
            true => Ok(()),
            false => Err(Refusal::BodyTooLarge(bytes_max)),
        };
        self.steps.note(Rule::Body, fits)
    }

    /// A body that decides who sends is looked at before it is read.
    fn vouch(
        &mut self,
        accepting: &Accepting,
        bot: &Bot,
        head: &RequestHeader,
        body: &[u8],
    ) -> Result<(), Refusal> {
        let asked = Asked {
            head,
            address: self.client,
            arrived: self.arrived,
            client: None,
            has_body: true,
            steps: Some(self.steps),
        };
        let limited = checks::vouch(&asked, accepting, bot, body, self.meters)?;
        self.limits.insert(0, told(&limited));
        Ok(())
    }

    fn read_body(&self, bot: &Bot, head: &RequestHeader, body: &[u8]) -> Result<Outcome, Refusal> {
        let source = bot.source.to_string();
        let read = accept::read(bot, &head.headers, body);
        Ok(match self.steps.note(Rule::Delivery, read)? {
            Arrival::Delivery { .. } => Outcome::Stored {
                source,
                body_is_known: true,
            },
            Arrival::Question(_) => Outcome::Replied { source },
        })
    }
}

fn announces_body(head: &RequestHeader) -> bool {
    let length = head.headers.get(header::CONTENT_LENGTH);
    let is_long = length.is_some_and(|length| length.as_bytes() != b"0");
    is_long || head.headers.contains_key(header::TRANSFER_ENCODING)
}

/// Of a webhook its hook knows it.
fn importance(found: &Found<'_>) -> Importance {
    let accepting = found.route.accepting();
    let bot = accepting.and_then(|accepting| accepting.bot(found.rest));
    bot.map_or(found.route.importance, |bot| bot.importance)
}

/// A limit as it is told.
fn told(limited: &Limited) -> String {
    let (name, quota) = (&limited.limiter, limited.quota);
    let (requests, seconds) = (quota.burst(), quota.window().as_secs());
    format!("{name}: {requests} in {seconds} s")
}

/// The fields as they would be sent.
fn fields(probe: &Probe) -> Vec<(String, String)> {
    let has = |wanted: &str| {
        let mut names = probe.headers.iter().map(|(name, _)| name);
        names.any(|name| name.eq_ignore_ascii_case(wanted))
    };
    let mut fields = probe.headers.clone();
    if !has("host") {
        fields.push(("Host".to_owned(), "edge".to_owned()));
    }
    if let Some(body) = &probe.body
        && !has("content-length")
        && !has("transfer-encoding")
    {
        fields.push(("Content-Length".to_owned(), body.len().to_string()));
    }
    fields
}
