//! What an operator can set about the inspection of one route.

use serde::{Deserialize, Serialize};
use validator::{Validate, ValidationError};

use super::parts::Part;
use super::rules::RuleId;

/// Exclusions are compared one by one.
const EXCLUSIONS_MAX: u64 = 64;
/// Bytes of one exclusion's field.
const FIELD_BYTES_MAX: u64 = 96;

/// What happens when a part reaches the score of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The request is refused.
    Block,
    /// The request passes, and its findings are logged and counted.
    Log,
    /// The request passes, and its findings are only counted: for trying a change beside what blocks.
    Shadow,
    /// The part is not looked at.
    Off,
}

/// A mode for each part.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Modes {
    /// Of the path.
    pub path: Mode,
    /// Of the query.
    pub query: Mode,
    /// Of header fields.
    pub headers: Mode,
    /// Of cookies.
    pub cookies: Mode,
    /// Of the body.
    pub body: Mode,
}

/// Everything blocks but the body, which is where chats and webhooks carry what people wrote: it is scored and logged.
impl Default for Modes {
    fn default() -> Self {
        Self {
            path: Mode::Block,
            query: Mode::Block,
            headers: Mode::Block,
            cookies: Mode::Block,
            body: Mode::Log,
        }
    }
}

impl Modes {
    /// The mode of a part.
    pub fn of(&self, part: Part) -> Mode {
        match part {
            Part::Path => self.path,
            Part::Query => self.query,
            Part::Headers => self.headers,
            Part::Cookies => self.cookies,
            Part::Body => self.body,
        }
    }
}

/// What to do with one key twice in one JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateKeys {
    /// The last one counts, as in the parser behind the edge.
    Allow,
    /// A critical finding: two readers may see two values. For admin routes.
    Refuse,
}

/// Limits of JSON bodies. They are about a body's form and not about what somebody wrote, so they have a mode of their own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct JsonSettings {
    /// What happens to a body that breaks one of them. When the body's mode is `off`, nothing.
    pub mode: Mode,
    /// Objects and arrays inside each other. The parser behind the edge ends at 128; GitHub's examples need 7.
    #[validate(range(min = 1, max = 127, message = "must be 1–127"))]
    pub depth_max: usize,
    /// Keys of all objects together. The largest of GitHub's example payloads has 558.
    #[validate(range(min = 1, max = 1_000_000, message = "must be 1–1000000"))]
    pub keys_max: usize,
    /// One key twice in one object.
    pub duplicate_keys: DuplicateKeys,
}

impl Default for JsonSettings {
    fn default() -> Self {
        Self {
            mode: Mode::Block,
            depth_max: 64,
            keys_max: 10_000,
            duplicate_keys: DuplicateKeys::Allow,
        }
    }
}

/// A rule that is not asked somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    /// Which rule.
    pub rule: RuleId,
    /// In which part; absent means in all.
    pub part: Option<Part>,
    /// In which field: a name or a JSON pointer; with `*` at its end, all that begin so. Absent means all.
    #[validate(length(min = 1, max = FIELD_BYTES_MAX, message = "must be 1–96 bytes"))]
    pub field: Option<String>,
}

impl Exclusion {
    /// Whether it speaks of this field.
    pub(super) fn covers(&self, part: Part, field: &str) -> bool {
        self.part.is_none_or(|only| only == part)
            && self
                .field
                .as_deref()
                .is_none_or(|pattern| match pattern.strip_suffix('*') {
                    Some(start) => field.starts_with(start),
                    None => field == pattern,
                })
    }
}

/// How the requests of one route are inspected.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[validate(schema(function = "excludes_what_is_named"))]
pub struct InspectionSettings {
    /// What happens in each part.
    pub modes: Modes,
    /// The score from which a field is an attack; the Core Rule Set's 5 unless a route is being tuned.
    #[validate(range(min = 2, max = 1_000, message = "must be 2–1000"))]
    pub block_at: u32,
    /// Bytes of one request that are looked at. What lies beyond is passed on unseen, with a finding that says so.
    #[validate(range(min = 1_024, max = 16_777_216, message = "must be 1024–16777216"))]
    pub bytes_max: usize,
    /// Limits of JSON.
    #[validate(nested)]
    pub json: JsonSettings,
    /// Rules that are not asked somewhere.
    #[validate(nested, length(max = EXCLUSIONS_MAX, message = "at most 64 exclusions"))]
    pub exclusions: Vec<Exclusion>,
}

impl Default for InspectionSettings {
    fn default() -> Self {
        Self {
            modes: Modes::default(),
            block_at: 5,
            // As much as a Telegram update or a GitHub push has; some milliseconds at worst.
            bytes_max: 128 * 1024,
            json: JsonSettings::default(),
            exclusions: Vec::new(),
        }
    }
}

/// A `*` anywhere but at the end would be taken for a pattern that it is not.
fn excludes_what_is_named(settings: &InspectionSettings) -> Result<(), ValidationError> {
    let inner_star = |exclusion: &Exclusion| {
        let field = exclusion.field.as_deref().unwrap_or_default();
        field.trim_end_matches('*').contains('*') || field.ends_with("**")
    };
    if settings.exclusions.iter().any(inner_star) {
        let error = ValidationError::new("inner_star");
        return Err(error.with_message("an exclusion's `*` may only stand at the end".into()));
    }
    Ok(())
}
