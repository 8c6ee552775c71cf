//! Which other origins' scripts may read a route's answers, said by the edge alone.
//!
//! It exists so that the answer to "may I?" comes from an exact list and never from the question. An origin is compared byte by byte
//! with what the settings say, so no prefix, suffix, port, case or `null` gets in; what an upstream says about it is taken
//! off. A request from an origin that is not on the list is handed on all the same, because this protects readers and not
//! the service: its answer is one that no script over there can read.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::answer::Answer;
use crate::refusal::Refusal;
use crate::settings::CorsSettings;

/// How the names of fields begin by which an upstream speaks to browsers about other origins. None is handed back.
pub(crate) const FROM_UPSTREAMS: &str = "access-control-";

const ASKED_IN_ADVANCE: HeaderValue = HeaderValue::from_static(
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
);
const ORIGIN: HeaderValue = HeaderValue::from_static("Origin");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// A route's list, ready for the wire.
pub(crate) struct Cors {
    origins: Vec<HeaderValue>,
    methods: Vec<Method>,
    allow_methods: Option<HeaderValue>,
    allow_headers: Option<HeaderValue>,
    expose_headers: Option<HeaderValue>,
    allows_credentials: bool,
    max_age: HeaderValue,
}

impl Cors {
    /// `methods` are those that the route hands on.
    pub(crate) fn new(settings: &CorsSettings, methods: &[Method]) -> Self {
        let names: Vec<_> = methods.iter().map(Method::as_str).collect();
        Self {
            origins: settings
                .origins
                .iter()
                .filter_map(|origin| HeaderValue::from_str(origin).ok())
                .collect(),
            methods: methods.to_vec(),
            allow_methods: HeaderValue::from_str(&names.join(", ")).ok(),
            allow_headers: listed(&settings.headers),
            expose_headers: listed(&settings.expose),
            allows_credentials: settings.credentials,
            max_age: settings.max_age_seconds.into(),
        }
    }

    /// The fields that an answer to a request with these headers has. They differ with the origin, and say so to whoever keeps
    /// answers.
    pub(crate) fn fields(&self, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let mut fields = vec![(header::VARY, ORIGIN)];
        let Some(origin) = self.allowed(request) else {
            return fields;
        };
        fields.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
        if self.allows_credentials {
            fields.push((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE));
        }
        if let Some(names) = &self.expose_headers {
            fields.push((header::ACCESS_CONTROL_EXPOSE_HEADERS, names.clone()));
        }
        fields
    }

    /// The answer to an OPTIONS request; `None` when it asks for nothing and the upstream takes OPTIONS.
    ///
    /// # Errors
    /// When this origin may not do this, or nobody answers OPTIONS here.
    pub(crate) fn options(&self, request: &HeaderMap) -> Result<Option<Answer>, Refusal> {
        let Some(wanted) = request.get(header::ACCESS_CONTROL_REQUEST_METHOD) else {
            if self.methods.contains(&Method::OPTIONS) {
                return Ok(None);
            }
            let allowed: Vec<_> = self.methods.iter().map(Method::as_str).collect();
            return Err(Refusal::Method(allowed.join(", ").into()));
        };
        let is_taken = |method: &Method| method.as_str().as_bytes() == wanted.as_bytes();
        if self.allowed(request).is_none() || !self.methods.iter().any(is_taken) {
            return Err(Refusal::Origin);
        }
        let mut answer = Answer::empty(StatusCode::NO_CONTENT);
        // What may be asked does not depend on what was asked: none of it is copied from the request.
        let fields = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, &self.allow_methods),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, &self.allow_headers),
        ];
        for (name, value) in fields {
            answer.set(name, value.clone());
        }
        answer.set(header::ACCESS_CONTROL_MAX_AGE, Some(self.max_age.clone()));
        answer.set(header::VARY, Some(ASKED_IN_ADVANCE));
        Ok(Some(answer))
    }

    /// The listed origin that a request names, alone and byte by byte.
    fn allowed(&self, request: &HeaderMap) -> Option<&HeaderValue> {
        let mut named = request.get_all(header::ORIGIN).iter();
        let origin = named.next()?;
        if named.next().is_some() {
            return None;
        }
        self.origins.iter().find(|listed| *listed == origin)
    }
}

fn listed(names: &[String]) -> Option<HeaderValue> {
    if names.is_empty() {
        return None;
    }
    HeaderValue::from_str(&names.join(", ")).ok()
}
