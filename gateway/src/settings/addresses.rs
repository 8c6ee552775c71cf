//! Who may not come in from where, and the names of networks that routes open themselves to.
//!
//! It exists apart from the routes because a denied address is denied everywhere. Looking addresses up is for
//! [`crate::networks`]; reading the file is for whoever loads the settings, who hands its text in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use sallyport_security::addresses::Network;
use serde::Deserialize;
use validator::{Validate, ValidationError};

use super::{Settings, refuse};
use crate::networks;

/// Networks that stand in the settings themselves.
const DENY_MAX: usize = 10_000;
/// Lists with names.
const LISTS_MAX: usize = 64;
/// Lines of a file; each costs about 60 bytes of memory.
const LINES_MAX: usize = 1_000_000;

/// Addresses that are denied, and names for networks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[validate(schema(function = "are_few"))]
pub struct AddressSettings {
    /// Networks from which nothing is taken: their connections are closed before a byte is read.
    pub deny: Vec<Denied>,
    /// A file of more such networks, one a line: `192.0.2.0/24`, or `192.0.2.0/24 2027-01-01T00:00:00Z`, and `#` before a
    /// remark. Read again when it changes. Empty: none.
    pub deny_file: PathBuf,
    /// Networks by name, for the `from` of routes. Those of `telegram` and `github` are known.
    pub lists: BTreeMap<String, Vec<Network>>,
    /// What stands in the file.
    #[serde(skip)]
    denied_by_file: Vec<Denied>,
}

/// A network from which nothing is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denied {
    /// Which.
    pub network: Network,
    /// Until when; absent means for ever.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// What is wrong with a line of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {complaint}")]
pub struct DenyFileError {
    /// Which line, from one.
    pub line: usize,
    /// What is wrong there.
    pub complaint: String,
}

impl AddressSettings {
    /// Takes in what stands in the file, in place of what it held before.
    ///
    /// # Errors
    /// The first line that is no network, or one line too many; then nothing is taken in.
    pub fn read_deny_file(&mut self, text: &str) -> Result<(), DenyFileError> {
        let mut denied = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let failed = |complaint: String| DenyFileError {
                line: number,
                complaint,
            };
            let entry = line.split_once('#').map_or(line, |(entry, _remark)| entry);
            let mut words = entry.split_whitespace();
            let Some(network) = words.next() else {
                continue;
            };
            let network = network
                .parse::<Network>()
                .map_err(|error| failed(error.to_string()))?;
            let until = words.next().map(str::parse::<Timestamp>);
            let until = until.transpose().map_err(|_| {
                failed("the second word is no time like 2027-01-01T00:00:00Z".to_owned())
            })?;
            if words.next().is_some() {
                let complaint =
                    "a network and a time are all that may stand there; a remark begins with #";
                return Err(failed(complaint.to_owned()));
            }
            if denied.len() >= LINES_MAX {
                return Err(failed(format!("only {LINES_MAX} networks may stand there")));
            }
            denied.push(Denied { network, until });
        }
        self.denied_by_file = denied;
        Ok(())
    }

    /// All networks from which nothing is taken.
    pub(crate) fn denied(&self) -> impl Iterator<Item = &Denied> {
        self.deny.iter().chain(&self.denied_by_file)
    }
}

fn are_few(settings: &AddressSettings) -> Result<(), ValidationError> {
    if settings.deny.len() > DENY_MAX {
        let message =
            format!("deny must be at most {DENY_MAX}; a longer list belongs into deny_file");
        return Err(refuse("deny", message));
    }
    if settings.lists.len() > LISTS_MAX {
        return Err(refuse(
            "lists",
            format!("lists must be at most {LISTS_MAX}"),
        ));
    }
    Ok(())
}

pub(super) fn have_names(settings: &Settings) -> Result<(), ValidationError> {
    for route in &settings.routes {
        let unknown = |name: &&String| networks::listed(&settings.addresses, name).is_none();
        if let Some(name) = route.from.iter().find(unknown) {
            let path = &route.path;
            let message = format!(
                "the route {path} is open to {name:?}, which addresses.lists does not have"
            );
            return Err(refuse("from", message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_networks_times_and_remarks() {
        let mut settings = AddressSettings::default();
        let text = "# the usual ones\n192.0.2.0/24\n\n  2001:db8::/32   2027-01-01T00:00:00Z  # until new year\n";

        settings.read_deny_file(text).unwrap();

        let denied: Vec<_> = settings
            .denied()
            .map(|denied| (denied.network.to_string(), denied.until.is_some()))
            .collect();
        assert_eq!(
            denied,
            [
                ("192.0.2.0/24".to_owned(), false),
                ("2001:db8::/32".to_owned(), true)
            ]
        );
    }

    #[test]
    fn a_bad_line_is_named_and_changes_nothing() {
        let mut settings = AddressSettings::default();
        settings.read_deny_file("192.0.2.1").unwrap();

        for (text, line) in [
            ("192.0.2.1\n192.0.2.1/8", 2),
            ("ten", 1),
            ("192.0.2.1 tomorrow", 1),
            ("192.0.2.1 2027-01-01T00:00:00Z and more", 1),
        ] {
            assert_eq!(settings.read_deny_file(text).unwrap_err().line, line);
        }
        assert_eq!(settings.denied().count(), 1);
    }
}
