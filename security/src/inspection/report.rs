//! What an inspection says: findings without values, a score for each part, and a verdict.

use std::fmt;

use super::parts::Part;
use super::rules::{RuleId, Severity};

/// Bytes of a field's name that are kept; longer ones end in `…`.
const FIELD_BYTES_MAX: usize = 96;

/// The name of a field, or the JSON pointer of a leaf. Never a value: names are a stranger's words too, so they are short and
/// hold printable ASCII alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldName(Box<str>);

impl FieldName {
    pub(super) fn new(name: &[u8]) -> Self {
        let printable = |byte: &u8| match byte {
            0x21..=0x7e => char::from(*byte),
            _ => '?',
        };
        let mut kept: String = name.iter().take(FIELD_BYTES_MAX).map(printable).collect();
        if name.len() > FIELD_BYTES_MAX {
            kept.push('…');
        }
        Self(kept.into_boxed_str())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One rule matched one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: RuleId,
    /// In which part.
    pub part: Part,
    /// In which of its fields.
    pub field: FieldName,
}

impl Finding {
    /// How much it weighs.
    pub fn severity(&self) -> Severity {
        self.rule.rule().severity
    }
}

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Nothing was found.
    Clean,
    /// Something was found, and too little of it to matter.
    Noted,
    /// A part that only counts, silently, reached the score of a block.
    Shadowed,
    /// A part that is only logged reached it.
    Logged,
    /// A part that blocks reached it: refuse.
    Block,
}

/// The result of one inspection.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was found, in the order of the parts. At most [`Report::FINDINGS_MAX`]; the scores count all of them.
    pub findings: Vec<Finding>,
    /// What is to be done.
    pub verdict: Verdict,
    /// How many bytes were looked at.
    pub bytes_inspected: usize,
    pub(super) scores: [u32; Part::ALL.len()],
}

impl Report {
    /// Findings that are kept, so that a hostile request cannot make a long list.
    pub const FINDINGS_MAX: usize = 64;

    /// A part's score: that of its worst field, so that many harmless fields never add up to a block.
    pub fn score(&self, part: Part) -> u32 {
        self.scores.get(part as usize).copied().unwrap_or_default()
    }
}
