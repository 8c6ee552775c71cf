//! Input inspection: whether a request looks like an attack, before anything behind the edge reads it.
//!
//! It exists as a second net. The first are parameterised statements, escaped pages and typed inputs; this one slows down who looks for a
//! hole in them, and tells operators about it. Every value of a request is decoded once, as a server would, and matched in that form and
//! in its normal form, against libinjection and our own rules. Each rule weighs something, the weights of one field add up, and a part's
//! score is that of its worst field. What a score means is each route's choice, part by part.
//!
//! It decides and reports, no more: it logs nothing, keeps nothing of a request but names of fields and tags of what was harmless,
//! and knows no route. It takes linear time, allocates a few buffers a request, and never panics. `docs/inspection.md` is for
//! operators.
//!
//! Reading order: `parts` → `rules` → `settings` → `report` → [`Inspector`] → `field`, `harmless`, `shape` → `decode`, `normal` → `injections`, `patterns`, `statement`, `traversal` → `json`.

use std::sync::Arc;

mod parts;

mod rules;

mod settings;

mod report;

mod field;
mod harmless;
mod shape;

mod decode;
mod normal;

mod injections;
mod patterns;
mod statement;
mod traversal;

mod json;

pub use parts::{Format, Part, Parts};
pub use report::{FieldName, Finding, Report, Verdict};
pub use rules::{Rule, RuleId, Severity, UnknownRule};
pub use settings::{DuplicateKeys, Exclusion, InspectionSettings, JsonSettings, Mode, Modes};

use decode::{Plus, pairs, percent_decoded};
use field::Looking;
use rules::RuleSet;

/// What is longer than this in a body is hardly ever the same twice.
const REPEATED_BYTES_MAX: usize = 32;

/// Inspects the requests of one route. Cheap to clone; holds no state between requests.
#[derive(Clone, Debug)]
pub struct Inspector {
    settings: Arc<InspectionSettings>,
}

impl Inspector {
    /// An inspector with these settings, which the caller has validated.
    pub fn new(settings: &InspectionSettings) -> Self {
        Self {
            settings: Arc::new(settings.clone()),
        }
    }

    /// Looks at a request. The same request always gets the same report, so that recorded traffic can be judged again under other settings.
    pub fn inspect(&self, parts: &Parts<'_>) -> Report {
        let mut inspection = Inspection::new(&self.settings);
        inspection.path(parts.path);
        inspection.pairs(Part::Query, parts.query, b'&', Plus::IsSpace);
        inspection.headers(parts);
        if let Some((format, body)) = parts.body {
            inspection.body(format, body);
        }
        inspection.report
    }
}

/// One request under inspection.
struct Inspection<'s> {
    settings: &'s InspectionSettings,
    looking: Looking,
    bytes_left: usize,
    is_over_budget: bool,
    report: Report,
}

impl<'s> Inspection<'s> {
    fn new(settings: &'s InspectionSettings) -> Self {
        Self {
            settings,
            looking: Looking::default(),
            bytes_left: settings.bytes_max,
            is_over_budget: false,
            report: Report {
                findings: Vec::new(),
                verdict: Verdict::Clean,
                bytes_inspected: 0,
                scores: [0; Part::ALL.len()],
            },
        }
    }

    fn is_off(&self, part: Part) -> bool {
        self.settings.modes.of(part) == Mode::Off
    }

    /// The path as a whole, and each of its segments as a value of its own.
    fn path(&mut self, raw: &[u8]) {
        if self.is_off(Part::Path) {
            return;
        }
        self.value(Part::Path, b"path", raw, Plus::IsPlus);
        for segment in raw.split(|byte| *byte == b'/') {
            if segment.len() + 1 < raw.len() {
                self.value(Part::Path, b"path", segment, Plus::IsPlus);
            }
        }
    }

    /// Names and values; an unusual name is looked at like a value.
    fn pairs(&mut self, part: Part, raw: &[u8], separator: u8, plus: Plus) {
        if self.is_off(part) {
            return;
        }
        for (name, value) in pairs(raw, separator) {
            let name = name.trim_ascii();
            if name != value && !name.iter().all(is_usual_in_names) {
                self.value(part, name, name, plus);
            }
            self.value(part, name, value, plus);
        }
    }

    fn headers(&mut self, parts: &Parts<'_>) {
        for (name, value) in parts.headers {
            if name == http::header::COOKIE {
                self.pairs(Part::Cookies, value.as_bytes(), b';', Plus::IsPlus);
            } else if !self.is_off(Part::Headers) {
                // Nobody has to decode a header, but many do.
                let decoded = percent_decoded(value.as_bytes(), Plus::IsPlus);
                let name = name.as_str().as_bytes();
                self.decoded(Part::Headers, name, &decoded.bytes, RuleSet::default());
            }
        }
    }

    fn body(&mut self, format: Format, body: &[u8]) {
        if self.is_off(Part::Body) {
            return;
        }
        match format {
            Format::Form => self.pairs(Part::Body, body, b'&', Plus::IsSpace),
            Format::Text => self.decoded(Part::Body, b"body", body, RuleSet::default()),
            Format::Json => {
                let limits = &self.settings.json;
                let mut show = |pointer: &[u8], text: &[u8]| {
                    self.decoded(Part::Body, pointer, text, RuleSet::default());
                };
                if let Err(broken) = json::walk(body, limits, &mut show) {
                    self.limit(broken);
                }
            }
        }
    }

    /// A value that is decoded first.
    fn value(&mut self, part: Part, field: &[u8], raw: &[u8], plus: Plus) {
        let decoded = percent_decoded(raw, plus);
        let mut found = RuleSet::default();
        found.insert_if(RuleId::FormatPercent, decoded.has_stray_percent);
        self.decoded(part, field, &decoded.bytes, found);
    }

    /// A value that is decoded, and what its decoding found.
    fn decoded(&mut self, part: Part, field: &[u8], value: &[u8], mut found: RuleSet) {
        if value.is_empty() {
            return;
        }
        let seen = value.get(..self.bytes_left).unwrap_or(value);
        if seen.len() < value.len() {
            if self.is_over_budget {
                return;
            }
            self.is_over_budget = true;
            found.insert(RuleId::BudgetExceeded);
        }
        self.bytes_left -= seen.len();
        self.report.bytes_inspected += seen.len();
        found.join(self.look(part, seen));
        if !found.is_empty() {
            self.note(part, field, found);
        }
    }

    /// The rules that match a value. Heads repeat themselves, and so do the keys and small words of bodies: what is harmless in those is
    /// remembered.
    fn look(&mut self, part: Part, value: &[u8]) -> RuleSet {
        if part == Part::Body && value.len() > REPEATED_BYTES_MAX {
            return self.looking.at(part, value);
        }
        let Err(tag) = harmless::ask(part, value) else {
            return RuleSet::default();
        };
        let found = self.looking.at(part, value);
        if found.is_empty() {
            harmless::remember(tag);
        }
        found
    }

    /// Rules matched a field: those that are not excluded there count.
    fn note(&mut self, part: Part, field: &[u8], mut found: RuleSet) {
        let field = FieldName::new(field);
        for exclusion in &self.settings.exclusions {
            if exclusion.covers(part, field.as_str()) {
                found.remove(exclusion.rule);
            }
        }
        if found.is_empty() {
            return;
        }
        let score = found.score();
        if let Some(worst) = self.report.scores.get_mut(part as usize) {
            *worst = score.max(*worst);
        }
        let mode = self.settings.modes.of(part);
        self.conclude(mode, score);
        for rule in found.iter() {
            self.keep(part, rule, field.clone());
        }
    }

    /// A body broke a limit of JSON, which has a mode of its own.
    fn limit(&mut self, broken: RuleId) {
        let mode = self.settings.json.mode;
        let field = FieldName::new(b"body");
        let excludes = |exclusion: &Exclusion| {
            exclusion.rule == broken && exclusion.covers(Part::Body, field.as_str())
        };
        if mode != Mode::Off && !self.settings.exclusions.iter().any(excludes) {
            self.conclude(mode, u32::MAX);
            self.keep(Part::Body, broken, field);
        }
    }

    fn keep(&mut self, part: Part, rule: RuleId, field: FieldName) {
        if self.report.findings.len() < Report::FINDINGS_MAX {
            self.report.findings.push(Finding { rule, part, field });
        }
    }

    fn conclude(&mut self, mode: Mode, score: u32) {
        let verdict = match mode {
            Mode::Off => Verdict::Clean,
            Mode::Block | Mode::Log | Mode::Shadow if score < self.settings.block_at => {
                Verdict::Noted
            }
            Mode::Block => Verdict::Block,
            Mode::Log => Verdict::Logged,
            Mode::Shadow => Verdict::Shadowed,
        };
        self.report.verdict = self.report.verdict.max(verdict);
    }
}

/// What every name of a field may have.
fn is_usual_in_names(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

#[cfg(test)]
mod tests;
