//! What of a request is inspected, and by which names its parts go.

use http::HeaderMap;
use serde::{Deserialize, Serialize};

/// Where in a request something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The path, before the question mark.
    Path,
    /// Names and values after it.
    Query,
    /// Header fields, without cookies.
    Headers,
    /// The `Cookie` header's names and values.
    Cookies,
    /// Names and values of a form, keys and strings of JSON, or a text.
    Body,
}

impl Part {
    /// All of them, in the order in which they are inspected.
    pub const ALL: [Self; 5] = [
        Self::Path,
        Self::Query,
        Self::Headers,
        Self::Cookies,
        Self::Body,
    ];

    /// As it stands in logs, metrics and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Headers => "headers",
            Self::Cookies => "cookies",
            Self::Body => "body",
        }
    }
}

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json` and what ends in `+json`.
    Json,
    /// One text. Nothing is decoded in it.
    Text,
}

/// A request as it came, before anything was decoded.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'r> {
    /// The path.
    pub path: &'r [u8],
    /// What follows the question mark; empty when there is none.
    pub query: &'r [u8],
    /// All header fields; `cookie` among them is the part of its own.
    pub headers: &'r HeaderMap,
    /// The body, when the caller has it and it is of a kind that can be read.
    pub body: Option<(Format, &'r [u8])>,
}
