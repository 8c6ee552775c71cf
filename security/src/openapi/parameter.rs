//! One parameter: where it stands, how its text becomes a value, and what that has to be.
//!
//! Text has no types, so each value is tried as what its schema takes: `5` is an integer where integers are asked for, and text
//! elsewhere. Of the styles of OpenAPI those are read that everybody uses: `form` of queries and cookies (repeated or with commas),
//! `simple` of paths and headers. A parameter of another style, one that is an object, or one with a `content` of its own is
//! not judged.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, header};
use matchit::Params;
use serde::Deserialize;
use serde_json::Value;

use super::schema::Schema;
use super::{Complaint, Parts};

/// A parameter as it is written.
#[derive(Deserialize)]
pub(super) struct ParameterObject {
    name: String,
    r#in: Location,
    #[serde(default)]
    required: bool,
    style: Option<String>,
    explode: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Location {
    Query,
    Path,
    Header,
    Cookie,
}

/// A parameter.
pub(super) struct Parameter {
    name: String,
    location: Location,
    is_required: bool,
    /// Whether each item of an array comes by itself, rather than all between commas.
    is_repeated: bool,
    is_array: bool,
    forms: Forms,
    schema: Option<Schema>,
}

/// What the text of a parameter may stand for.
#[derive(Clone, Copy, Default)]
struct Forms {
    number: bool,
    boolean: bool,
    /// Also for what says nothing.
    text: bool,
}

impl Parameter {
    /// Nothing for what is not judged, and for header fields that HTTP itself owns (OpenAPI has them ignored).
    pub(super) fn new(
        object: ParameterObject,
        types: Vec<String>,
        schema: Option<Schema>,
    ) -> Option<Self> {
        let has = |name: &str| types.iter().any(|one| one == name);
        let plain = match object.r#in {
            Location::Query | Location::Cookie => "form",
            Location::Path | Location::Header => "simple",
        };
        let owned = [header::ACCEPT, header::CONTENT_TYPE, header::AUTHORIZATION];
        let is_owned = owned
            .iter()
            .any(|own| object.name.eq_ignore_ascii_case(own.as_str()));
        let is_other = object.style.as_deref().is_some_and(|style| style != plain);
        if is_other || has("object") || (object.r#in == Location::Header && is_owned) {
            return None;
        }
        let is_form = plain == "form";
        let says_nothing = types.iter().all(|one| one == "null");
        Some(Self {
            location: object.r#in,
            // A path without one of its segments would be another path.
            is_required: object.required,
            is_repeated: is_form && object.explode.unwrap_or(true),
            is_array: has("array"),
            forms: Forms {
                number: says_nothing || has("integer") || has("number") || has("array"),
                boolean: says_nothing || has("boolean") || has("array"),
                text: says_nothing || has("string") || has("array"),
            },
            schema,
            name: object.name,
        })
    }

    /// Whether both speak of the same parameter.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.location == other.location && self.name == other.name
    }

    /// Adds what is wrong with it in this request.
    pub(super) fn judge(
        &self,
        parts: &Parts<'_>,
        query: &[(Cow<'_, str>, Cow<'_, str>)],
        segments: &Params<'_, '_>,
        complaints: &mut Vec<Complaint>,
    ) {
        let values = match self.location {
            Location::Query => of_query(query, &self.name),
            Location::Path => segments.get(&self.name).map(decoded).into_iter().collect(),
            Location::Header => of_headers(parts.headers, &self.name),
            Location::Cookie => of_cookies(parts.headers, &self.name),
        };
        match (values.as_slice(), &self.schema) {
            ([], _) if self.is_required => complaints.push(self.complaint("is missing")),
            ([], _) => {}
            ([_, _, ..], _) if !(self.is_array && self.is_repeated) => {
                complaints.push(self.complaint("is given more than once"));
            }
            (_, None) => {}
            (values, Some(schema)) => self.judge_values(values, schema, complaints),
        }
    }

    fn judge_values(
        &self,
        values: &[Cow<'_, str>],
        schema: &Schema,
        complaints: &mut Vec<Complaint>,
    ) {
        if self.is_array {
            let items = values.iter().flat_map(|value| match self.is_repeated {
                true => vec![&**value],
                false => value.split(',').collect(),
            });
            let items: Vec<&str> = items.collect();
            let as_text = items.iter().map(|item| Value::from(*item)).collect();
            let as_typed = items.iter().map(|item| self.typed(item)).collect();
            self.judge_forms(
                &[Value::Array(as_typed), Value::Array(as_text)],
                schema,
                complaints,
            );
        } else if let [value] = values {
            let mut forms = vec![self.typed(value)];
            if self.forms.text {
                forms.push(Value::from(&**value));
            }
            self.judge_forms(&forms, schema, complaints);
        }
    }

    /// One of the forms has to fit; of none of them the first is complained about.
    fn judge_forms(&self, forms: &[Value], schema: &Schema, complaints: &mut Vec<Complaint>) {
        if forms.iter().any(|form| schema.takes(form)) {
            return;
        }
        let Some(first) = forms.first() else { return };
        complaints.extend(schema.complaints(first, &self.pointer()));
    }

    /// As a number or a truth value, where those are asked for and it is one.
    fn typed(&self, text: &str) -> Value {
        let number = self.forms.number.then(|| as_number(text)).flatten();
        let boolean = match text {
            "true" if self.forms.boolean => Some(Value::Bool(true)),
            "false" if self.forms.boolean => Some(Value::Bool(false)),
            _ => None,
        };
        number.or(boolean).unwrap_or_else(|| Value::from(text))
    }

    fn complaint(&self, reason: &str) -> Complaint {
        Complaint {
            pointer: self.pointer(),
            reason: reason.to_owned(),
        }
    }

    fn pointer(&self) -> String {
        let name = &self.name;
        match self.location {
            Location::Query => format!("?{name}"),
            Location::Path => format!("{{{name}}}"),
            Location::Header => format!("{name}:"),
            Location::Cookie => format!("cookie {name}"),
        }
    }
}

/// A number as JSON has it: `007` and `+5` are text.
fn as_number(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    // JSON may have space around it.
    let is_bare = !text.starts_with(char::is_whitespace) && !text.ends_with(char::is_whitespace);
    (value.is_number() && is_bare).then_some(value)
}

fn of_query<'q>(query: &'q [(Cow<'q, str>, Cow<'q, str>)], name: &str) -> Vec<Cow<'q, str>> {
    let of_name = query.iter().filter(|(own, _)| own == name);
    of_name.map(|(_, value)| Cow::Borrowed(&**value)).collect()
}

fn of_headers<'h>(headers: &'h HeaderMap, name: &str) -> Vec<Cow<'h, str>> {
    let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
        return Vec::new();
    };
    let values = headers.get_all(name).iter();
    values
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect()
}

fn of_cookies<'h>(headers: &'h HeaderMap, name: &str) -> Vec<Cow<'h, str>> {
    let fields = headers.get_all(header::COOKIE).iter();
    let fields = fields.filter_map(|field| field.to_str().ok());
    let pairs = fields.flat_map(|field| field.split(';').filter_map(|pair| pair.split_once('=')));
    let of_name = pairs.filter(|(own, _)| own.trim() == name);
    of_name
        .map(|(_, value)| Cow::Borrowed(value.trim()))
        .collect()
}

/// A segment as what stands behind reads it.
fn decoded(segment: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy()
}
