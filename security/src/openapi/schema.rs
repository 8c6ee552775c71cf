//! One schema of a document, ready to judge values.

use jsonschema::Registry;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use super::complaint::complaint;
use super::{COMPLAINTS_MAX, Complaint, UnfitDocument};

/// What the document is called inside; nobody looks for it anywhere.
pub(super) const DOCUMENT_URI: &str = "urn:sallyport:openapi";

/// A schema.
pub(super) struct Schema(Validator);

impl Schema {
    /// The schema at this place of the document.
    pub(super) fn compile(registry: &Registry<'_>, place: &str) -> Result<Self, UnfitDocument> {
        let reference = format!("{DOCUMENT_URI}{}", as_fragment(place));
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_registry(registry)
            .offline()
            .should_validate_formats(true)
            // Linear in what is matched: no pattern of a document becomes a way to keep the edge busy.
            .with_pattern_options(PatternOptions::regex())
            .build(&serde_json::json!({ "$ref": reference }));
        validator.map(Self).map_err(|error| UnfitDocument::Schema {
            place: place.to_owned(),
            complaint: error.to_string(),
        })
    }

    pub(super) fn takes(&self, value: &Value) -> bool {
        self.0.is_valid(value)
    }

    /// What is wrong with `value`, each with its place below `prefix`; nothing if nothing is.
    pub(super) fn complaints(&self, value: &Value, prefix: &str) -> Vec<Complaint> {
        let errors = self.0.iter_errors(value).take(COMPLAINTS_MAX);
        errors.map(|error| complaint(&error, prefix)).collect()
    }
}

/// The place of `names` below `base`, as a JSON pointer (RFC 6901).
pub(super) fn pointer(base: &str, names: &[&str]) -> String {
    let mut place = base.to_owned();
    for name in names {
        place.push('/');
        place.push_str(&name.replace('~', "~0").replace('/', "~1"));
    }
    place
}

/// A pointer as the fragment of a URI, where braces and others may not stand as they are (RFC 6901, section 6).
fn as_fragment(place: &str) -> String {
    let mut fragment = String::with_capacity(place.len());
    for byte in place.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => fragment.push(char::from(byte)),
            b'#' | b'/' | b'~' | b'-' | b'_' | b'.' => fragment.push(char::from(byte)),
            _ => fragment.push_str(&format!("%{byte:02X}")),
        }
    }
    fragment
}
