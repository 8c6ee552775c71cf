//! What the inspection of a request has found, and the bodies that wait for it.
//!
//! It exists between the inspection, which knows no request, and the edge, which has to tell about findings without telling
//! values: which rule matched in which field is for logs, spans and metrics; the sender reads that it was refused and by which
//! code it can be found.

use std::fmt;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use sallyport_security::inspection::{Finding, Format, Inspector, Parts, Report, Verdict};

use crate::refusal::Refusal;

/// Findings that a log line and a span carry.
const TOLD_MAX: usize = 8;

/// What was found in a request that was not refused for it, or for which it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    found: Vec<Finding>,
    outcome: Option<Verdict>,
}

impl Findings {
    /// What a report means.
    ///
    /// # Errors
    /// When the request is to be refused.
    pub(crate) fn of(report: Report) -> Result<Self, Refusal> {
        let findings = Self {
            outcome: (report.verdict > Verdict::Clean).then_some(report.verdict),
            found: report.findings,
        };
        match report.verdict {
            Verdict::Block => Err(Refusal::Attack(Box::new(findings))),
            Verdict::Clean | Verdict::Noted | Verdict::Shadowed | Verdict::Logged => Ok(findings),
        }
    }

    /// Adds what was found in another part.
    pub(crate) fn join(&mut self, more: Self) {
        self.found.extend(more.found);
        self.outcome = self.outcome.max(more.outcome);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.found.iter()
    }

    /// What was done about it, as metrics spell it.
    pub(crate) fn outcome(&self) -> &'static str {
        match self.outcome {
            Some(Verdict::Block) => "blocked",
            Some(Verdict::Logged) => "logged",
            Some(Verdict::Shadowed) => "shadowed",
            Some(Verdict::Noted | Verdict::Clean) | None => "noted",
        }
    }

    /// Whether an operator wants to read about it.
    pub(crate) fn are_told(&self) -> bool {
        self.outcome >= Some(Verdict::Logged)
    }
}

/// `sqli.libinjection in query q, xss.event_handler in body /text`: rules and names, no values.
impl fmt::Display for Findings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, finding) in self.found.iter().take(TOLD_MAX).enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            let (rule, part, field) = (finding.rule, finding.part.name(), &finding.field);
            write!(formatter, "{separator}{rule} in {part} {field}")?;
        }
        match self.found.len().saturating_sub(TOLD_MAX) {
            0 => Ok(()),
            more => write!(formatter, " and {more} more"),
        }
    }
}

/// Looks at a body. In an empty one there is nothing.
///
/// # Errors
/// When it looks like an attack and the route refuses those.
pub(crate) fn inspect_body(
    inspector: &Inspector,
    format: Format,
    body: &[u8],
) -> Result<Findings, Refusal> {
    if body.is_empty() {
        return Ok(Findings::default());
    }
    Findings::of(inspector.inspect(&Parts {
        path: &[],
        query: &[],
        headers: &HeaderMap::new(),
        body: Some((format, body)),
    }))
}

/// A body that is handed on once it is whole and was looked at.
#[derive(Debug)]
pub(crate) struct HeldBody {
    /// What it is read as.
    pub(crate) format: Format,
    bytes: BytesMut,
}

impl HeldBody {
    /// For a request whose body is of a kind that can be read; any other is handed on as it comes.
    pub(crate) fn for_request(headers: &HeaderMap) -> Option<Self> {
        let media_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        let format = match essence.to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => Format::Form,
            "application/json" => Format::Json,
            json if json.starts_with("application/") && json.ends_with("+json") => Format::Json,
            text if text.starts_with("text/") => Format::Text,
            _ => return None,
        };
        Some(Self {
            format,
            bytes: BytesMut::new(),
        })
    }

    /// Keeps a piece back. An empty one goes on in its place: without any the upstream would be told that there is no body.
    pub(crate) fn keep(&mut self, piece: &mut Option<Bytes>) {
        if let Some(piece) = piece {
            self.bytes.extend_from_slice(&std::mem::take(piece));
        }
    }

    /// The body, now that it is whole.
    pub(crate) fn release(self) -> Bytes {
        self.bytes.freeze()
    }
}
