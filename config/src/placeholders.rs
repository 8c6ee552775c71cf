//! `${NAME}` and `${NAME:-default}` inside values: the one way in which variables and secrets get into the configuration.
//!
//! A value that is one `${…}` and nothing else is read as YAML reads a scalar, so `port: ${PORT:-8080}` is a number. Its text
//! is kept beside it, because a token of digits only must become a string again where the setting is a string.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::document::scalar_from_text;
use crate::environment::{Environment, Found};
use crate::path::Path;

/// What filling in left behind, by the path of each value that named a variable.
#[derive(Debug, Default)]
pub(crate) struct Filled {
    /// Where the (last) variable of a value was found.
    pub(crate) origins: BTreeMap<Path, Found>,
    /// The text of values that may have been read as something other than a string.
    pub(crate) texts: BTreeMap<Path, String>,
    /// What could not be filled, as path and reason.
    pub(crate) mistakes: Vec<(Path, String)>,
}

/// Replaces every `${…}` below `value`.
pub(crate) fn fill(value: &mut Value, environment: &Environment) -> Filled {
    let mut filled = Filled::default();
    walk(value, &Path::default(), environment, &mut filled);
    filled
}

fn walk(value: &mut Value, path: &Path, environment: &Environment, filled: &mut Filled) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object.iter_mut() {
                walk(inner, &path.key(key.clone()), environment, filled);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter_mut().enumerate() {
                walk(inner, &path.index(index), environment, filled);
            }
        }
        Value::String(text) if text.contains("${") => match replace(text, environment) {
            Ok(replaced) => {
                if let Some(found) = replaced.found {
                    filled.origins.insert(path.clone(), found);
                }
                *value = if replaced.is_whole {
                    scalar_from_text(&replaced.text)
                } else {
                    Value::String(replaced.text.clone())
                };
                filled.texts.insert(path.clone(), replaced.text);
            }
            Err(reason) => filled.mistakes.push((path.clone(), reason)),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

struct Replaced {
    text: String,
    found: Option<Found>,
    is_whole: bool,
}

fn replace(template: &str, environment: &Environment) -> Result<Replaced, String> {
    let mut text = String::new();
    let mut found = None;
    let mut rest = template;
    let mut placeholders = 0;
    let mut literal = 0;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, behind)) = after.split_once('}') else {
            return Err("has `${` without `}`".to_owned());
        };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        literal += before.len();
        placeholders += 1;
        text.push_str(before);
        match (environment.find(name)?, default) {
            (Some((value, origin)), _) => {
                text.push_str(&value);
                found = Some(origin);
            }
            (None, Some(default)) => text.push_str(default),
            (None, None) => {
                return Err(format!(
                    "needs the variable {name}, which is not set (or {name}_FILE)"
                ));
            }
        }
        rest = behind;
    }
    text.push_str(rest);
    let is_whole = placeholders == 1 && literal == 0 && rest.is_empty();
    Ok(Replaced {
        text,
        found,
        is_whole,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> (Value, Filled) {
        let variables = [("PORT", "8080"), ("HOST", "edge")];
        let environment =
            Environment::new(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let mut value = Value::from(template);
        let filled = fill(&mut value, &environment);
        (value, filled)
    }

    #[test]
    fn a_whole_placeholder_is_read_as_yaml_reads_it() {
        assert_eq!(filled("${PORT}").0, Value::from(8080));
        assert_eq!(filled("${NONE:-true}").0, Value::from(true));
    }

    #[test]
    fn placeholders_inside_text_stay_text() {
        assert_eq!(filled("${HOST}:${PORT}").0, Value::from("edge:8080"));
    }

    #[test]
    fn a_missing_variable_is_named() {
        let (_, filled) = filled("${ABSENT}");

        assert_eq!(filled.mistakes.len(), 1);
        assert!(filled.mistakes[0].1.contains("ABSENT_FILE"));
    }

    #[test]
    fn an_open_placeholder_is_a_mistake() {
        assert_eq!(filled("${PORT").1.mistakes.len(), 1);
    }
}
