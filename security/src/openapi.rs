//! Requests that an API takes, as its OpenAPI document says, and whether a request is one of them.
//!
//! It exists so that what is written down about an API is held in front of it: a path, a method, a parameter or a body that the
//! document does not know goes no further. The document is OpenAPI 3.1, whose schemas are JSON Schema 2020-12; judging by a
//! schema is for [`jsonschema`], with patterns that are matched in linear time and no reference that leaves the document. What is
//! said to the caller names places and what was asked there, never what was sent.
//!
//! Not judged: parameters that the document does not name, parameters that are objects, bodies that are not JSON beyond their
//! media type, and answers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, Method, header};
use matchit::Router;

mod complaint;
mod document;
mod operation;
mod parameter;
mod schema;
#[cfg(test)]
mod tests;

pub use document::UnfitDocument;
pub use operation::Operation;

use document::Document;

/// Bytes of a document; those of large public APIs have a few MiB.
pub const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Complaints about one request: more help nobody.
const COMPLAINTS_MAX: usize = 16;

/// The requests that an API takes.
///
/// Finding the operation of a request costs 20 ns, each parameter some 0.1 µs more; a body is read into memory once more, as values of up
/// to ten times its size, and judged at some 100 MB/s (`benches/openapi.rs`).
pub struct Contract {
    paths: Router<Methods>,
}

/// What one path takes.
struct Methods {
    operations: BTreeMap<String, Arc<Operation>>,
    /// Ready for an `Allow` header.
    allow: Arc<str>,
}

/// The parts of a request's head that a document speaks about.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'r> {
    /// The method.
    pub method: &'r Method,
    /// The path as it was sent, in the one form that the edge lets through.
    pub path: &'r str,
    /// The query without its question mark.
    pub query: Option<&'r str>,
    /// The header fields.
    pub headers: &'r HeaderMap,
    /// Whether a body follows.
    pub has_body: bool,
}

/// How a request does not fit its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// No operation has this path.
    Path,
    /// The path takes these methods only.
    Method(Arc<str>),
    /// The body is to be of one of these types.
    ContentType(Arc<str>),
    /// Parameters are not what they should be: one complaint at least.
    Parameters(Vec<Complaint>),
    /// The body is not what it should be: one complaint at least.
    Body(Vec<Complaint>),
}

/// What is wrong with one place of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Which: `?limit` of the query, `{id}` of the path, `x-name:` of the headers, `cookie name`, or `/ids/0` of the body, whose whole is empty.
    pub pointer: String,
    /// What was asked there, as in "must be an integer". Holds nothing that was sent but names of fields.
    pub reason: String,
}

impl Contract {
    /// Reads a document.
    ///
    /// # Errors
    /// When it is not OpenAPI 3.1 in JSON, or something in it cannot be held.
    pub fn parse(text: &[u8]) -> Result<Self, UnfitDocument> {
        Document::parse(text)?.compile()
    }

    /// The operation that a request asks for, if its head fits it.
    ///
    /// # Errors
    /// How it does not: the first kind of misfit, with all complaints of that kind up to 16.
    pub fn judge_head(&self, parts: &Parts<'_>) -> Result<Arc<Operation>, Misfit> {
        let found = self.paths.at(parts.path).map_err(|_| Misfit::Path)?;
        let methods = found.value;
        let operation = methods.of(parts.method);
        let operation = operation.ok_or_else(|| Misfit::Method(Arc::clone(&methods.allow)))?;
        operation.judge_parameters(parts, &found.params)?;
        operation.judge_presence(parts)?;
        Ok(Arc::clone(operation))
    }
}

impl Methods {
    /// Whoever answers GET answers HEAD (RFC 9110, section 9.3.2).
    fn of(&self, method: &Method) -> Option<&Arc<Operation>> {
        let own = self.operations.get(method.as_str());
        own.or_else(|| match *method {
            Method::HEAD => self.operations.get("GET"),
            _ => None,
        })
    }
}

impl Misfit {
    /// What is wrong, place by place, where it is about places.
    pub fn complaints(&self) -> &[Complaint] {
        match self {
            Self::Parameters(complaints) | Self::Body(complaints) => complaints,
            Self::Path | Self::Method(_) | Self::ContentType(_) => &[],
        }
    }
}

/// The type of a body without its parameters, in small letters. Two types are none.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let essence = value.split(';').next().unwrap_or_default().trim();
    Some(essence.to_ascii_lowercase())
}

/// For logs and traces: `?limit must be an integer; {id} must match the pattern`.
impl fmt::Display for Misfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => formatter.write_str("no operation has this path"),
            Self::Method(allow) => write!(formatter, "the path takes {allow}"),
            Self::ContentType(types) => write!(formatter, "the body is to be {types}"),
            Self::Parameters(complaints) | Self::Body(complaints) => {
                for (number, complaint) in complaints.iter().enumerate() {
                    let separator = if number == 0 { "" } else { "; " };
                    write!(formatter, "{separator}{complaint}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => write!(formatter, "the body {}", self.reason),
            pointer => write!(formatter, "{pointer} {}", self.reason),
        }
    }
}

impl fmt::Debug for Contract {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Contract").finish_non_exhaustive()
    }
}
