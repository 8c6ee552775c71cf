//! What a setting is in the end, and where it came from: the answer of `check-config` when nothing is wrong.

use std::fmt;

use serde_json::Value;

/// Parts of a name that say "never print this value".
const SECRET_WORDS: [&str; 7] = [
    "secret",
    "token",
    "password",
    "api_key",
    "key_file",
    "database_url",
    "redis_url",
];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file.
    File {
        /// The file, as it was named to the loader.
        file: String,
        /// The line, counted from 1.
        line: usize,
    },
    /// A variable of the environment or of the `.env` file.
    Variable(String),
    /// A file named by a variable `NAME_FILE`; this is the variable's name.
    SecretFile(String),
}

/// One setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The key, as `gateway.http.listen`.
    pub key: String,
    /// The value as printed: secrets are `set` or `not set`.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

impl Effective {
    pub(crate) fn new(key: String, value: &Value, origin: Origin) -> Self {
        let value = shown(&key, value, &origin);
        Self { key, value, origin }
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} = {}  ({})", self.key, self.value, self.origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line } => write!(out, "{file}:{line}"),
            Self::Variable(name) => write!(out, "${name}"),
            Self::SecretFile(name) => write!(out, "file named by ${name}"),
        }
    }
}

fn shown(key: &str, value: &Value, origin: &Origin) -> String {
    let variable = match origin {
        Origin::File { .. } => "",
        Origin::Variable(name) | Origin::SecretFile(name) => name,
    };
    let names = format!("{key} {variable}").to_lowercase();
    let is_secret = SECRET_WORDS.iter().any(|word| names.contains(word));
    match value {
        Value::Null => "not set".to_owned(),
        Value::String(text) if is_secret && text.is_empty() => "not set".to_owned(),
        _ if is_secret || matches!(origin, Origin::SecretFile(_)) => "set".to_owned(),
        Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_only_said_to_be_set() {
        let origin = Origin::Variable("TELEGRAM_BOT_TOKEN".to_owned());

        let setting = Effective::new(
            "bots[0].credential".to_owned(),
            &Value::from("12:ab"),
            origin,
        );

        assert_eq!(
            setting.to_string(),
            "bots[0].credential = set  ($TELEGRAM_BOT_TOKEN)"
        );
    }
}
