//! One thing that is wrong in the configuration, worded for the person who will mend it.

use std::fmt;

/// A mistake in the configuration: where it stands and what to do about it.
///
/// `Display` is the line an operator reads: `config/gateway.yaml:14 routes[0].limit.rate must be 1–10000, is 0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file the value came from, as it was named to the loader.
    pub file: String,
    /// The line in that file, counted from 1; `None` when the key is absent from it.
    pub line: Option<usize>,
    /// The key, as `routes[0].limit.rate`; empty for the file as a whole.
    pub key: String,
    /// What is wrong and, where it can be said, what would be right.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(out, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(out, " {}", self.key)?;
        }
        write!(out, " {}", self.reason)
    }
}
