//! Reads the query of a URL: known names only, each once, each of its type, and all mistakes told at once.
//!
//! It exists because a filter that is silently ignored shows an engineer the wrong list. Ranges are checked by
//! `validator` on the struct that is read; this file adds what it cannot see, the names and the types.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use utoipa::ToSchema;
use validator::{Validate, ValidationErrors};

use super::problem::{FieldError, Problem};

/// More parameters than any path takes; further ones are not read.
const PARAMETERS_MAX: usize = 32;

/// The parameters of one request, taken out one by one.
pub(super) struct Parameters {
    values: BTreeMap<String, String>,
    errors: Vec<FieldError>,
}

impl Parameters {
    pub(super) fn read(query: Option<&str>) -> Self {
        let mut parameters = Self {
            values: BTreeMap::new(),
            errors: Vec::new(),
        };
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let mut twice = Vec::new();
        for (name, value) in pairs.take(PARAMETERS_MAX) {
            match parameters.values.entry(name.into_owned()) {
                Entry::Vacant(free) => {
                    free.insert(value.into_owned());
                }
                Entry::Occupied(taken) => twice.push(taken.key().clone()),
            }
        }
        for name in twice {
            parameters.refuse(&name, "is given twice");
        }
        parameters
    }

    /// Takes a parameter out; one that is not of its type is noted as a mistake.
    pub(super) fn take<T: FromStr<Err: ToString>>(&mut self, name: &str) -> Option<T> {
        match self.values.remove(name)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(name, error.to_string());
                None
            }
        }
    }

    /// Ends the reading: what is left is unknown, and what was read must be in range.
    pub(super) fn finish<T: Validate>(mut self, read: T) -> Result<T, Problem> {
        for name in std::mem::take(&mut self.values).into_keys() {
            self.refuse(&name, "is not a parameter of this path");
        }
        if let Err(errors) = read.validate() {
            self.errors.extend(field_errors(&errors, "?"));
        }
        if self.errors.is_empty() {
            Ok(read)
        } else {
            Err(Problem::invalid_query(self.errors))
        }
    }

    fn refuse(&mut self, name: &str, reason: impl Into<String>) {
        self.errors.push(FieldError {
            pointer: format!("?{name}"),
            reason: reason.into(),
        });
    }
}

/// What `validator` found, each with its place.
pub(super) fn field_errors(errors: &ValidationErrors, prefix: &str) -> Vec<FieldError> {
    let fields = errors.field_errors();
    let mut found: Vec<FieldError> = fields
        .iter()
        .flat_map(|(field, errors)| errors.iter().map(move |error| (field, error)))
        .map(|(field, error)| FieldError {
            pointer: format!("{prefix}{field}"),
            reason: error.message.as_deref().unwrap_or(&error.code).to_owned(),
        })
        .collect();
    found.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    found
}

// What the document says of the next two is wider than what is taken: people write lengths of time in many ways.

/// A length of time: `200ms`, `1.5s`, `2m`.
#[derive(Clone, Copy, Debug, PartialEq, ToSchema)]
#[schema(value_type = String, pattern = "[0-9]", example = "200ms")]
pub(super) struct Span(pub(super) std::time::Duration);

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "must be a length of time such as 200ms, 1.5s or 2m";
        let span: SignedDuration = text.parse().map_err(|_| WRONG)?;
        std::time::Duration::try_from(span)
            .map(Self)
            .map_err(|_| WRONG)
    }
}

/// A moment: `2026-11-20T21:00:00Z`, or a length of time that counts back from now.
#[derive(Clone, Copy, Debug, PartialEq, ToSchema)]
#[schema(value_type = String, pattern = "[0-9]", example = "15m")]
pub(super) struct Moment(pub(super) Timestamp);

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str =
            "must be a moment such as 2026-11-20T21:00:00Z, or a length of time back such as 15m";
        if let Ok(Span(back)) = text.parse() {
            return Timestamp::now()
                .checked_sub(back)
                .map(Self)
                .map_err(|_| WRONG);
        }
        text.parse().map(Self).map_err(|_| WRONG)
    }
}

/// A source's own number for a message, behind its source: `telegram:ops:4711`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeliveryRef {
    pub(super) source: String,
    pub(super) id: String,
}

impl FromStr for DeliveryRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = text
            .rsplit_once(':')
            .filter(|(source, id)| !source.is_empty() && !id.is_empty());
        let (source, id) =
            named.ok_or("must be a source and its number, such as telegram:ops:4711")?;
        Ok(Self {
            source: source.to_owned(),
            id: id.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Validate)]
    struct Example {
        #[validate(range(min = 1, max = 5, message = "must be 1–5"))]
        limit: Option<u16>,
        over: Option<Span>,
    }

    fn read(query: &str) -> Result<Example, Problem> {
        let mut parameters = Parameters::read(Some(query));
        let example = Example {
            limit: parameters.take("limit"),
            over: parameters.take("over"),
        };
        parameters.finish(example)
    }

    #[test]
    fn all_mistakes_are_told_at_once_each_with_its_name() {
        let Err(problem) = read("limit=9&over=fast&kidn=x&kidn=y") else {
            panic!("four mistakes")
        };

        let told = format!("{problem:?}");
        for part in [
            "?limit",
            "must be 1–5",
            "?over",
            "200ms",
            "?kidn",
            "given twice",
            "not a parameter",
        ] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
    }

    #[test]
    fn times_are_written_as_people_write_them() {
        assert_eq!("200ms".parse(), Ok(Span(Duration::from_millis(200))));
        assert_eq!("1.5s".parse(), Ok(Span(Duration::from_millis(1_500))));
        assert!("-1s".parse::<Span>().is_err());
        assert!("200".parse::<Span>().is_err());
        assert!("15m".parse::<Moment>().unwrap().0 < Timestamp::now());
        assert!("2026-11-20T21:00:00Z".parse::<Moment>().is_ok());
    }

    #[test]
    fn a_delivery_names_its_source_and_its_number() {
        let delivery: DeliveryRef = "telegram:ops:4711".parse().unwrap();

        assert_eq!(
            (delivery.source.as_str(), delivery.id.as_str()),
            ("telegram:ops", "4711")
        );
        assert!(":4711".parse::<DeliveryRef>().is_err());
        assert!("4711".parse::<DeliveryRef>().is_err());
        assert_eq!(
            read("over=2m").ok().and_then(|read| read.over),
            Some(Span(Duration::from_secs(120)))
        );
        assert_eq!(read("limit=5").ok().and_then(|read| read.limit), Some(5));
    }
}
