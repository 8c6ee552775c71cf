//! Variables for `${NAME}` in the files: the process's environment, a `.env` file, and secret files named by `NAME_FILE`.
//!
//! The process's environment is handed in by the binary, so a test hands in a map and nothing below the binary looks anything up.

use std::collections::BTreeMap;
use std::path::Path;

/// Where a variable's value came from; shown by `check-config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// The process's environment or the `.env` file.
    Variable(String),
    /// A file named by `NAME_FILE`, as container platforms mount secrets.
    File(String),
}

/// The variables that files may refer to as `${NAME}`.
#[derive(Debug, Default, Clone)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Takes the process's variables, which win over everything added later.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            variables: variables.into_iter().collect(),
        }
    }

    /// Adds the lines `NAME=value` of a `.env` file; blank lines and lines that begin with `#` are passed over, quotes around
    /// a value are taken off. A variable that is already set, and not to nothing, keeps its value.
    pub fn with_dotenv(mut self, text: &str) -> Self {
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let line = line.strip_prefix("export ").unwrap_or(line);
            if let Some((name, value)) = line.split_once('=') {
                let value = value.trim().trim_matches(['"', '\'']);
                let slot = self.variables.entry(name.trim().to_owned()).or_default();
                if slot.is_empty() {
                    value.clone_into(slot);
                }
            }
        }
        self
    }

    /// The value of a variable, if it is set and not empty: from the variable itself, else from the file that `NAME_FILE` names.
    pub fn get(&self, name: &str) -> Option<String> {
        self.find(name).ok().flatten().map(|(value, _)| value)
    }

    /// Like [`Self::get`], with where the value was found. An unreadable secret file is an error, not an absence.
    pub(crate) fn find(&self, name: &str) -> Result<Option<(String, Found)>, String> {
        if let Some(value) = self.variables.get(name).filter(|value| !value.is_empty()) {
            return Ok(Some((value.clone(), Found::Variable(name.to_owned()))));
        }
        let pointer = format!("{name}_FILE");
        let Some(file) = self.variables.get(&pointer).filter(|file| !file.is_empty()) else {
            return Ok(None);
        };
        match std::fs::read_to_string(Path::new(file)) {
            Ok(text) => Ok(Some((text.trim_end().to_owned(), Found::File(pointer)))),
            Err(error) => Err(format!("cannot be read from {file} ({pointer}): {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_wins_over_the_dotenv_file() {
        let environment = Environment::new([("A".to_owned(), "process".to_owned())])
            .with_dotenv("# words\nA=file\nexport B=\"two words\"\n");

        assert_eq!(environment.get("A").as_deref(), Some("process"));
        assert_eq!(environment.get("B").as_deref(), Some("two words"));
        assert_eq!(environment.get("C"), None);
    }

    #[test]
    fn a_secret_file_stands_in_for_its_variable() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "s3cret\n").unwrap();

        let environment = Environment::new([("TOKEN_FILE".to_owned(), file.display().to_string())]);

        assert_eq!(environment.get("TOKEN").as_deref(), Some("s3cret"));
    }

    #[test]
    fn an_unreadable_secret_file_is_an_error() {
        let environment =
            Environment::new([("TOKEN_FILE".to_owned(), "/nowhere/token".to_owned())]);

        assert!(environment.find("TOKEN").is_err());
    }
}
