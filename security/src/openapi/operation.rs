//! One operation: what its parameters and its body have to be.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderMap;
use matchit::Params;

use super::parameter::Parameter;
use super::schema::Schema;
use super::{COMPLAINTS_MAX, Complaint, Misfit, Parts, media_type};

/// What a path takes by one method.
pub struct Operation {
    parameters: Vec<Arc<Parameter>>,
    body: Option<Body>,
}

/// The body that an operation takes.
pub(super) struct Body {
    is_required: bool,
    kinds: Vec<Kind>,
    /// The types, ready for an `Accept` header.
    accept: Arc<str>,
}

struct Kind {
    /// In small letters: `application/json`, `text/*`, `*/*`.
    media_range: String,
    schema: Option<Schema>,
}

impl Body {
    pub(super) fn new(is_required: bool, kinds: Vec<(String, Option<Schema>)>) -> Self {
        let names: Vec<&str> = kinds.iter().map(|(name, _)| name.as_str()).collect();
        Self {
            is_required,
            accept: Arc::from(names.join(", ")),
            kinds: kinds
                .into_iter()
                .map(|(media_range, schema)| Kind {
                    media_range,
                    schema,
                })
                .collect(),
        }
    }

    /// What a body of this type has to be: the most exact of what fits.
    fn kind(&self, media_type: &str) -> Option<&Kind> {
        let fitting = self.kinds.iter().filter(|kind| kind.covers(media_type));
        fitting.max_by_key(|kind| kind.media_range.matches('*').count() == 0)
    }
}

impl Kind {
    fn covers(&self, media_type: &str) -> bool {
        // A range may have parameters, such as a charset; they say nothing about the schema.
        let range = self
            .media_range
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        match range.strip_suffix('*') {
            Some("*/") => true,
            Some(start) => media_type.starts_with(start),
            None => media_type == range,
        }
    }
}

impl Operation {
    pub(super) fn new(parameters: Vec<Arc<Parameter>>, body: Option<Body>) -> Self {
        Self { parameters, body }
    }

    pub(super) fn judge_parameters(
        &self,
        parts: &Parts<'_>,
        segments: &Params<'_, '_>,
    ) -> Result<(), Misfit> {
        let query: Vec<(Cow<'_, str>, Cow<'_, str>)> = parts
            .query
            .map(|query| url::form_urlencoded::parse(query.as_bytes()).collect())
            .unwrap_or_default();
        let mut complaints = Vec::new();
        for parameter in &self.parameters {
            parameter.judge(parts, &query, segments, &mut complaints);
        }
        complaints.truncate(COMPLAINTS_MAX);
        match complaints.is_empty() {
            true => Ok(()),
            false => Err(Misfit::Parameters(complaints)),
        }
    }

    /// Whether there is a body where there has to be one, of a type that is taken.
    pub(super) fn judge_presence(&self, parts: &Parts<'_>) -> Result<(), Misfit> {
        let wrong = |reason| Err(Misfit::Body(vec![of_the_whole(reason)]));
        match (&self.body, parts.has_body) {
            (None, true) => wrong("must be empty: nothing is taken here"),
            (Some(body), false) if body.is_required => wrong("is missing"),
            (Some(body), true) => self.kind(body, parts.headers).map(|_| ()),
            (Some(_) | None, false) => Ok(()),
        }
    }

    /// Whether [`Self::judge_body`] has to be asked about a body with these headers.
    pub fn reads_body(&self, headers: &HeaderMap) -> bool {
        self.schema(headers).is_some()
    }

    /// Whether a whole body fits. One that is not JSON does.
    ///
    /// # Errors
    /// What is wrong with it, up to 16 complaints.
    pub fn judge_body(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Misfit> {
        let Some(schema) = self.schema(headers) else {
            return Ok(());
        };
        let complaints = match serde_json::from_slice(body) {
            Ok(value) if schema.takes(&value) => return Ok(()),
            Ok(value) => schema.complaints(&value, ""),
            // Where, and what was expected there; it quotes nothing.
            Err(error) => vec![of_the_whole(&format!("is not JSON: {error}"))],
        };
        Err(Misfit::Body(complaints))
    }

    /// The schema of a JSON body with these headers.
    fn schema(&self, headers: &HeaderMap) -> Option<&Schema> {
        let media_type = media_type(headers)?;
        let subtype = media_type.strip_prefix("application/")?;
        let is_json = subtype == "json" || subtype.ends_with("+json");
        let kind = self.body.as_ref()?.kind(&media_type)?;
        kind.schema.as_ref().filter(|_| is_json)
    }

    fn kind<'b>(&self, body: &'b Body, headers: &HeaderMap) -> Result<&'b Kind, Misfit> {
        let media_type = media_type(headers).unwrap_or_default();
        let kind = body.kind(&media_type);
        kind.ok_or_else(|| Misfit::ContentType(Arc::clone(&body.accept)))
    }
}

fn of_the_whole(reason: &str) -> Complaint {
    Complaint {
        pointer: String::new(),
        reason: reason.to_owned(),
    }
}
