//! What a schema found, in words for whoever has sent the value.
//!
//! It exists because a validator's own words quote the value, and a value may be a secret.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};

use super::Complaint;

/// Names that one complaint lists.
const NAMES_MAX: usize = 5;

/// A finding, with its place below `prefix`.
pub(super) fn complaint(error: &ValidationError<'_>, prefix: &str) -> Complaint {
    let mut pointer = format!("{prefix}{}", error.instance_path());
    let reason = match error.kind() {
        // The place of what is missing, rather than of what lacks it.
        ValidationErrorKind::Required { property } => {
            if let Some(name) = property.as_str() {
                pointer.push('/');
                pointer.push_str(name);
            }
            "is missing".to_owned()
        }
        kind => reason(kind, error),
    };
    Complaint { pointer, reason }
}

fn reason(kind: &ValidationErrorKind, error: &ValidationError<'_>) -> String {
    match kind {
        ValidationErrorKind::Type { kind } => format!("must be {}", types(kind)),
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            format!(
                "has properties that are not known here: {}",
                names(unexpected)
            )
        }
        ValidationErrorKind::Enum { options } => format!("must be one of {options}"),
        ValidationErrorKind::Constant { expected_value } => format!("must be {expected_value}"),
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        ValidationErrorKind::MinLength { limit } => {
            format!("must have at least {limit} characters")
        }
        ValidationErrorKind::MaxLength { limit } => format!("must have at most {limit} characters"),
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} items"),
        ValidationErrorKind::MaxItems { limit } => format!("must have at most {limit} items"),
        ValidationErrorKind::UniqueItems => "must not have an item twice".to_owned(),
        ValidationErrorKind::Pattern { pattern } => format!("must match {pattern}"),
        ValidationErrorKind::Format { format } => format!("must be a {format}"),
        ValidationErrorKind::OneOfMultipleValid { .. } => {
            "must be one of the forms of the schema, and is several".to_owned()
        }
        ValidationErrorKind::AnyOf { .. } | ValidationErrorKind::OneOfNotValid { .. } => {
            "is none of the forms of the schema".to_owned()
        }
        _ => error.masked_with("it").to_string(),
    }
}

fn types(kind: &TypeKind) -> String {
    let with_article = |kind: JsonType| match kind {
        JsonType::Array => "an array",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "an integer",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "a string",
    };
    match kind {
        TypeKind::Single(kind) => with_article(*kind).to_owned(),
        TypeKind::Multiple(kinds) => {
            let kinds: Vec<&str> = kinds.iter().map(with_article).collect();
            kinds.join(" or ")
        }
    }
}

fn names(unexpected: &[String]) -> String {
    let mut named: Vec<&str> = unexpected
        .iter()
        .take(NAMES_MAX)
        .map(String::as_str)
        .collect();
    if unexpected.len() > NAMES_MAX {
        named.push("…");
    }
    named.join(", ")
}
