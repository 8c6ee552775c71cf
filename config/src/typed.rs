//! From a value to a type, going on after each mistake.
//!
//! serde stops at the first error. So the value that it stopped at is noted and taken out, its default steps in, and serde is asked
//! again, until it is content or the mistakes cannot be taken out any more.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::path::{Path, Step};
use crate::placeholders::Filled;

/// Rounds of asking serde; a file with more mistakes than this is told the first ones.
const ROUNDS_MAX: usize = 100;

/// A name that is at least this alike is offered as "did you mean" (Jaro-Winkler, 0 to 1).
const ALIKE_MIN: f64 = 0.8;

/// Reads `value` as a `T`. Mistakes are pushed as path and reason; `None` when no `T` could be made.
pub(crate) fn read<T: DeserializeOwned>(
    mut value: Value,
    filled: &Filled,
    mistakes: &mut Vec<(Path, String)>,
) -> Option<T> {
    for _ in 0..ROUNDS_MAX {
        let error = match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(typed) => return Some(typed),
            Err(error) => error,
        };
        let path = Path::from(error.path());
        let message = error.inner().to_string();
        if let Some(name) = quoted_after(&message, "missing field ") {
            let path = path.key(name);
            if !mistakes.iter().any(|(known, _)| *known == path) {
                mistakes.push((path, "is required".to_owned()));
            }
            return None;
        }
        if message.contains("expected a string") && restore_text(&mut value, &path, filled) {
            continue;
        }
        let path = offending_key(path, &message);
        mistakes.push((path.clone(), reason(&message)));
        if !stand_in(&mut value, &path, &message) && !take_out(&mut value, &path) {
            return None;
        }
    }
    None
}

/// serde names the mapping of an unknown key in some cases and the key itself in others; this is the key in all.
fn offending_key(path: Path, message: &str) -> Path {
    let Some(name) = quoted_after(message, "unknown field ") else {
        return path;
    };
    match path.0.last() {
        Some(Step::Key(last)) if *last == name => path,
        Some(Step::Key(_) | Step::Index(_)) | None => path.key(name),
    }
}

fn reason(message: &str) -> String {
    if let Some(name) = quoted_after(message, "unknown field ") {
        return match closest(&name, message) {
            Some(known) => format!("is not a setting; did you mean `{known}`?"),
            None => format!("is not a setting{}", known_names(message)),
        };
    }
    if let Some(name) = quoted_after(message, "unknown variant ") {
        let hint = closest(&name, message)
            .map_or(String::new(), |known| format!("; did you mean `{known}`?"));
        return format!("cannot be `{name}`{}{hint}", known_names(message));
    }
    match message
        .strip_prefix("invalid type: ")
        .and_then(|rest| rest.split_once(", expected "))
    {
        Some((found, expected)) => format!("must be {expected}, is {found}"),
        None => message.to_owned(),
    }
}

fn known_names(message: &str) -> String {
    let names = names_in(
        message
            .split_once(", expected ")
            .map_or("", |(_, names)| names),
    );
    if names.is_empty() {
        String::new()
    } else {
        format!("; known are {}", names.join(", "))
    }
}

fn closest(name: &str, message: &str) -> Option<String> {
    let (_, known) = message.split_once(", expected ")?;
    names_in(known)
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, &candidate), candidate))
        .filter(|(alike, _)| *alike >= ALIKE_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

/// The names between backticks.
fn names_in(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn quoted_after(message: &str, words: &str) -> Option<String> {
    let rest = message.split_once(words)?.1;
    names_in(rest).into_iter().next()
}

/// Puts a variable's text back where a string is wanted; false when there is none or it is a string already.
fn restore_text(value: &mut Value, path: &Path, filled: &Filled) -> bool {
    let Some(text) = filled.texts.get(path) else {
        return false;
    };
    match find(value, path) {
        Some(slot) if !slot.is_string() => {
            *slot = Value::String(text.clone());
            true
        }
        Some(_) | None => false,
    }
}

/// Puts an empty string where a string is wanted: a required key must not go missing, or nothing behind it would be checked.
fn stand_in(value: &mut Value, path: &Path, message: &str) -> bool {
    match find(value, path) {
        Some(slot) if message.contains("expected a string") && !slot.is_string() => {
            *slot = Value::String(String::new());
            true
        }
        Some(_) | None => false,
    }
}

/// Removes the innermost mapping entry on the way to `path`, so that its default steps in.
fn take_out(value: &mut Value, path: &Path) -> bool {
    for path in path.upwards() {
        let (Some(Step::Key(key)), Some(parent)) = (path.0.last(), path.parent()) else {
            continue;
        };
        if let Some(Value::Object(object)) = find(value, &parent) {
            return object.remove(key).is_some();
        }
    }
    false
}

fn find<'v>(value: &'v mut Value, path: &Path) -> Option<&'v mut Value> {
    path.0.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}
