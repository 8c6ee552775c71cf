//! One value: which rules match it.
//!
//! It exists because everything in a request comes down to this, whatever part it stands in. What means much in a value that is a parameter
//! and little in a text is decided here, by the value's shape.

use super::injections::{Injections, Sql};
use super::normal::{Normal, Normaliser, Tricks};
use super::parts::Part;
use super::patterns::{HEADER, MARKUP, SQL, SYSTEM};
use super::rules::{RuleId, RuleSet};
use super::shape::{Shape, Signs};
use super::statement;
use super::traversal::Climb;

/// Segments of one dot that nobody writes by accident.
const SELVES_MIN: usize = 2;

/// What speaks against a value that continues a statement, and not against one that is a statement.
const CONTINUATIONS: [RuleId; 12] = [
    RuleId::SqliLibinjection,
    RuleId::SqliTokens,
    RuleId::SqliUnionSelect,
    RuleId::SqliTautology,
    RuleId::SqliLogic,
    RuleId::SqliCondition,
    RuleId::SqliBlindFunction,
    RuleId::SqliStacked,
    RuleId::SqliSubquery,
    RuleId::SqliServerAccess,
    RuleId::SqliSchema,
    RuleId::SqliJsonOperator,
];

/// What one request's values share while they are looked at.
#[derive(Debug, Default)]
pub(super) struct Looking {
    normaliser: Normaliser,
    injections: Injections,
}

impl Looking {
    /// The rules that match a decoded value of this part.
    pub(super) fn at(&mut self, part: Part, value: &[u8]) -> RuleSet {
        let mut found = RuleSet::default();
        let (signs, shape) = (Signs::of(value), Shape::of(value));
        let normal = self.normaliser.normal(value);
        SQL.with(|sql| sql.find(normal.form, &mut found));
        if let Some(bare) = normal.bare {
            SQL.with(|sql| sql.find(bare, &mut found));
            MARKUP.with(|markup| markup.find(bare, &mut found));
        }
        if signs.any {
            let not_body = part != Part::Body;
            found.insert_if(RuleId::HeaderInjection, not_body && HEADER.is_match(value));
            found.insert_if(RuleId::FormatUtf8, std::str::from_utf8(value).is_err());
            hidden(part, normal.tricks, &mut found);
            tokens(&mut self.injections, shape, value, &normal, &mut found);
        }
        if signs.any || shape == Shape::Word {
            MARKUP.with(|markup| markup.find(normal.form, &mut found));
        }
        if signs.markup {
            let runs = self.injections.markup(value)
                || normal.tricks.hide() && self.injections.markup(normal.form);
            found.insert_if(RuleId::XssLibinjection, runs);
        }
        if signs.system || signs.markup || shape == Shape::Word {
            system(part, shape, normal.form, &mut found);
        }
        weigh_sql(shape, value, normal.tricks, &mut found);
        if shape == Shape::Text {
            found.remove(RuleId::XssScriptValue);
            found.promote(RuleId::XssLibinjection, RuleId::XssStates);
        }
        found
    }
}

/// What the value's encoding says.
fn hidden(part: Part, tricks: Tricks, found: &mut RuleSet) {
    let not_body = part != Part::Body;
    found.insert_if(RuleId::FormatNul, tricks.nul && not_body);
    found.insert_if(RuleId::FormatOverlong, tricks.overlong);
    found.insert_if(RuleId::FormatDoubleEncoding, tricks.percent && not_body);
    found.insert_if(
        RuleId::TraversalHidden,
        tricks.percent_of_path && part == Part::Path,
    );
    found.insert_if(RuleId::SqliHiddenComment, tricks.comment);
}

/// What libinjection says about the value's tokens.
fn tokens(
    injections: &mut Injections,
    shape: Shape,
    value: &[u8],
    normal: &Normal<'_>,
    found: &mut RuleSet,
) {
    let mut said = injections.sql(value);
    if said == Sql::Harmless && normal.tricks.hide() {
        said = injections.sql(normal.form);
    }
    let is_short = shape < Shape::Text;
    match said {
        Sql::Harmless => {}
        Sql::Continues if is_short => found.insert(RuleId::SqliLibinjection),
        Sql::Continues | Sql::Listed => found.insert(RuleId::SqliTokens),
    }
}

/// What is left of the rules about SQL once the whole value is seen.
fn weigh_sql(shape: Shape, value: &[u8], tricks: Tricks, found: &mut RuleSet) {
    if !found.is_empty() && !tricks.hide() && statement::is_whole(value) {
        for rule in CONTINUATIONS {
            found.remove(rule);
        }
        // A short one that only makes a database wait teaches nothing.
        if shape == Shape::Text {
            found.remove(RuleId::SqliTimeDelay);
        }
    }
    if shape < Shape::Text {
        found.promote(RuleId::SqliSchema, RuleId::SqliSchemaValue);
    }
}

/// Paths, files and commands.
fn system(part: Part, shape: Shape, normal: &[u8], found: &mut RuleSet) {
    SYSTEM.with(|system| system.find(normal, found));
    let climb = Climb::of(normal);
    let is_path = part == Part::Path || shape == Shape::Word;
    let begins = normal.starts_with(b"../") || normal.starts_with(br"..\");
    if climb.parents > 0 && (is_path || begins) {
        found.insert(RuleId::TraversalDotSegments);
    } else if climb.parents > 0 {
        found.insert(RuleId::TraversalInText);
    } else if climb.selves >= SELVES_MIN && is_path {
        found.insert(RuleId::TraversalDotSegments);
    }
    let climbs = climb.parents > 0;
    if is_path && (part != Part::Body || climbs) || shape == Shape::Phrase && climbs {
        found.promote(RuleId::TraversalFileInText, RuleId::TraversalSensitiveFile);
    }
    found.insert_if(
        RuleId::TraversalHiddenFile,
        part == Part::Path && has_hidden_segment(normal),
    );
    if shape < Shape::Text {
        found.promote(RuleId::CommandInText, RuleId::CommandShell);
    }
}

/// Whether a segment is a hidden file's name. Web servers have one that is meant to be asked for (RFC 8615).
fn has_hidden_segment(normal: &[u8]) -> bool {
    normal.split(|byte| *byte == b'/').any(|segment| {
        segment.len() > 1
            && segment.starts_with(b".")
            && segment != b".well-known"
            && segment != b".."
    })
}
