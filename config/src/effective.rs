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
        | Value::Object(_) => without_passwords(value).to_string(),
    }
}

/// The same without the names and passwords that stand in URLs: whatever a setting is called, its URL may hold some.
fn without_passwords(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(bare_url(text)),
        Value::Array(all) => all.iter().map(without_passwords).collect(),
        Value::Object(all) => {
            let bare = |(key, value): (&String, &Value)| (key.clone(), without_passwords(value));
            all.iter().map(bare).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// A URL without whom it logs in as; any other text as it is.
fn bare_url(text: &str) -> String {
    let parts = text.split_once("://").and_then(|(scheme, rest)| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (_login, host) = authority.rsplit_once('@')?;
        Some(format!("{scheme}://…@{host}{path}"))
    });
    parts.unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_whom_it_logs_in_as() {
        let shown = |value: Value| {
            let origin = Origin::Variable("COLLECTOR".to_owned());
            Effective::new("otlp".to_owned(), &value, origin).value
        };

        assert_eq!(
            shown(Value::from("http://user:p%40ss@host:9/v1?a=b@c")),
            "\"http://…@host:9/v1?a=b@c\""
        );
        let list = serde_json::json!(["https://host/@me", {"url": "redis://:s3cret@host"}]);
        assert_eq!(
            shown(list),
            "[\"https://host/@me\",{\"url\":\"redis://…@host\"}]"
        );
    }

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
