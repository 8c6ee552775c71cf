//! Puts the parts together: a document is filled, typed and validated, and all that is wrong is gathered until the end.

use serde::de::DeserializeOwned;
use serde_json::Value;
use validator::Validate;

use crate::document::Document;
use crate::effective::{Effective, Origin};
use crate::environment::{Environment, Found};
use crate::mistake::Mistake;
use crate::path::Path;
use crate::placeholders::{self, Filled};
use crate::{typed, violations};

/// Loads sections one after the other and remembers every mistake.
#[derive(Debug)]
pub struct Loader {
    environment: Environment,
    mistakes: Vec<Mistake>,
    effective: Vec<Effective>,
}

impl Loader {
    /// Starts with the variables that the files may refer to.
    pub fn new(environment: Environment) -> Self {
        Self {
            environment,
            mistakes: Vec::new(),
            effective: Vec::new(),
        }
    }

    /// Reads one section. `None` means that no `T` could be made; a `T` that is returned may still have mistakes against it, which
    /// [`Self::finish`] reports, so use nothing of it before that.
    pub fn section<T: DeserializeOwned + Validate>(&mut self, mut document: Document) -> Option<T> {
        let filled = placeholders::fill(&mut document.value, &self.environment);
        let mut found = filled.mistakes.clone();
        self.list_effective(&document, &filled);
        let typed = typed::read::<T>(document.value.clone(), &filled, &mut found);
        if let Some(Err(errors)) = typed.as_ref().map(Validate::validate) {
            // A value that was taken out is judged once, by what was wrong with it, not by its default.
            let known: Vec<Path> = found.iter().map(|(path, _)| path.clone()).collect();
            let more = violations::worded(&errors).into_iter();
            found.extend(more.filter(|(path, _)| !known.contains(path)));
        }
        let place = |(path, reason): (Path, String)| {
            let place = document.place(&path);
            Mistake {
                file: place.map_or_else(|| document.file.clone(), |place| place.file.clone()),
                line: place.map(|place| place.line),
                key: path.to_string(),
                reason,
            }
        };
        self.mistakes.extend(found.into_iter().map(place));
        typed
    }

    /// Adds a mistake that only the composition can see, such as two bots of one name.
    pub fn complain(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    /// The variables this loader reads from.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// What is in force, with its origins.
    ///
    /// # Errors
    /// Every mistake of every section, sorted by file and line.
    pub fn finish(mut self) -> Result<Vec<Effective>, Vec<Mistake>> {
        if self.mistakes.is_empty() {
            return Ok(self.effective);
        }
        self.mistakes.sort();
        self.mistakes.dedup();
        Err(self.mistakes)
    }

    fn list_effective(&mut self, document: &Document, filled: &Filled) {
        let mut leaves = Vec::new();
        gather_leaves(&document.value, &Path::default(), &mut leaves);
        for (path, value) in leaves {
            let origin = match (filled.origins.get(&path), document.place(&path)) {
                (Some(Found::Variable(name)), _) => Origin::Variable(name.clone()),
                (Some(Found::File(name)), _) => Origin::SecretFile(name.clone()),
                (None, Some(place)) => Origin::File {
                    file: place.file.clone(),
                    line: place.line,
                },
                (None, None) => continue,
            };
            self.effective
                .push(Effective::new(path.to_string(), value, origin));
        }
    }
}

fn gather_leaves<'v>(value: &'v Value, path: &Path, leaves: &mut Vec<(Path, &'v Value)>) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                gather_leaves(inner, &path.key(key.clone()), leaves);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object()) => {
            for (index, inner) in items.iter().enumerate() {
                gather_leaves(inner, &path.index(index), leaves);
            }
        }
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            leaves.push((path.clone(), value));
        }
    }
}

#[cfg(test)]
mod tests;
