//! The kinds of problems a caller can have, and the two forms in which they are told: a JSON body and a page.
//!
//! It exists so that `type` in an error's body is a link that answers: every kind has a page at `/problems/{name}` that says what
//! it means and what to do about it. Which refusal is of which kind is for [`crate::refusal`].

use bytes::Bytes;
use sallyport_security::openapi::Complaint;
use sallyport_telemetry::trace::TraceId;
use serde::Serialize;

use crate::refusal::{Refusal, whole_seconds};

pub(crate) mod pages;

/// Where the pages live.
pub(crate) const PREFIX: &str = "/problems/";

/// The media type of the JSON form.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json; charset=utf-8";

/// A kind of problem, and what its page says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The last segment of its path, and of `type`.
    name: &'static str,
    /// One line, the same in the body and on the page.
    title: &'static str,
    meaning: &'static str,
    fix: &'static str,
}

/// The page of this name.
pub(crate) fn named(name: &str) -> Option<&'static Page> {
    pages::ALL.into_iter().find(|page| page.name == name)
}

impl Page {
    /// The page itself: text alone, so that it needs no style, no script and no exception in any policy.
    pub(crate) fn html(&self) -> Bytes {
        let Self {
            title,
            meaning,
            fix,
            ..
        } = self;
        Bytes::from(format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n</head>\n<body>\n<main>\n\
             <h1>{title}</h1>\n<h2>What it means</h2>\n<p>{meaning}</p>\n<h2>What to do</h2>\n<p>{fix}</p>\n\
             </main>\n</body>\n</html>\n"
        ))
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
    trace_id: String,
    code: String,
    errors: Vec<Pointed<'a>>,
    retry_after: Option<u64>,
}

#[derive(Serialize)]
struct Pointed<'a> {
    pointer: &'a str,
    reason: &'a str,
}

/// The JSON form of a refusal.
pub(crate) fn body(refusal: &Refusal, trace_id: TraceId) -> Bytes {
    let page = refusal.page();
    let errors = match refusal {
        Refusal::NotADelivery(pointer, reason) => vec![Pointed { pointer, reason }],
        Refusal::Misfit(misfit) => misfit
            .complaints()
            .iter()
            .map(|Complaint { pointer, reason }| Pointed { pointer, reason })
            .collect(),
        _ => Vec::new(),
    };
    let body = Body {
        r#type: format!("{PREFIX}{}", page.name),
        title: page.title,
        status: refusal.status().as_u16(),
        detail: refusal.detail(),
        trace_id: trace_id.to_string(),
        code: trace_id.support_code().to_string(),
        errors,
        retry_after: refusal.retry_after().map(whole_seconds),
    };
    // A struct of strings and numbers always has a JSON form.
    Bytes::from(serde_json::to_vec(&body).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_found_by_its_own_name() {
        for page in pages::ALL {
            assert_eq!(named(page.name), Some(page));
            assert!(page.html().starts_with(b"<!doctype html>"));
        }
        assert_eq!(named("nothing"), None);
    }

    #[test]
    fn a_body_has_every_field_that_callers_rely_on() {
        let trace_id = TraceId::random();
        let refusal =
            Refusal::NotADelivery("/update_id", "update_id must be an integer".to_owned());

        let body: serde_json::Value = serde_json::from_slice(&body(&refusal, trace_id)).unwrap();

        assert_eq!(body["type"], "/problems/invalid-body");
        assert_eq!(body["status"], 400);
        assert_eq!(body["trace_id"], trace_id.to_string());
        assert_eq!(body["code"], trace_id.support_code().to_string());
        assert_eq!(body["errors"][0]["pointer"], "/update_id");
        assert!(body["retry_after"].is_null());
        assert!(body["title"].is_string() && body["detail"].is_string());
    }
}
