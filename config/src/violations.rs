//! validator's findings, worded for an operator and placed by key.

use validator::{ValidationError, ValidationErrors, ValidationErrorsKind};

use crate::path::Path;

/// Every violated rule below `errors`, as path and reason.
pub(crate) fn worded(errors: &ValidationErrors) -> Vec<(Path, String)> {
    let mut all = Vec::new();
    collect(errors, &Path::default(), &mut all);
    all.sort();
    all
}

fn collect(errors: &ValidationErrors, path: &Path, all: &mut Vec<(Path, String)>) {
    for (field, kind) in errors.errors() {
        // A rule over a whole struct is filed under this name; it belongs to the struct itself.
        let path = if *field == "__all__" {
            path.clone()
        } else {
            path.key(field.to_string())
        };
        match kind {
            ValidationErrorsKind::Field(found) => {
                all.extend(found.iter().map(|error| (path.clone(), reason(error))))
            }
            ValidationErrorsKind::Struct(inner) => collect(inner, &path, all),
            ValidationErrorsKind::List(items) => {
                for (index, inner) in items {
                    collect(inner, &path.index(*index), all);
                }
            }
        }
    }
}

fn reason(error: &ValidationError) -> String {
    if let Some(message) = &error.message {
        return message.to_string();
    }
    let parameter = |name: &str| error.params.get(name).map(|value| value.to_string());
    let bounds = match (parameter("min"), parameter("max")) {
        (Some(min), Some(max)) => format!("{min}–{max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => return format!("breaks the rule `{}`", error.code),
    };
    let value = parameter("value").unwrap_or_default();
    match error.code.as_ref() {
        "length" => format!("must have {bounds} characters or entries, is {value}"),
        _ => format!("must be {bounds}, is {value}"),
    }
}
