//! The document that a route's requests are held to.
//!
//! The file is named here and read by the binary, like every file; what is in it may be exchanged at any time.

use std::path::PathBuf;
use std::sync::Arc;

use sallyport_security::openapi::{Contract, UnfitDocument};
use serde::Deserialize;
use validator::{Validate, ValidationError};

use super::refuse;

/// Bytes of a body on a route with a document: it is read into memory as values, of up to ten times its size.
pub(super) const DESCRIBED_BODY_BYTES_MAX: usize = 1024 * 1024;

/// Which requests a route takes, as a document says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "names_a_document"))]
pub struct OpenApiSettings {
    /// JSON file with an OpenAPI 3.1 document, or `builtin:ops` for that of the workers' own API.
    pub document: PathBuf,
    /// What becomes of requests that do not fit it.
    #[serde(default)]
    pub mode: OpenApiMode,
    /// What it holds, once it has been read.
    #[serde(skip)]
    pub(crate) read: Option<ReadDocument>,
}

/// What becomes of requests that do not fit the document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenApiMode {
    /// They are refused.
    #[default]
    Block,
    /// They are handed on, counted and logged: for a document that nobody has been held to yet.
    Log,
}

/// A document that was read and can be held. Two are the same if their texts are.
#[derive(Clone, Debug)]
pub(crate) struct ReadDocument {
    text: Arc<[u8]>,
    pub(crate) contract: Arc<Contract>,
}

impl PartialEq for ReadDocument {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ReadDocument {}

impl OpenApiSettings {
    /// Takes in what its file holds.
    ///
    /// # Errors
    /// When it is not a document that requests can be held to.
    pub fn read_document(&mut self, text: &[u8]) -> Result<(), UnfitDocument> {
        self.read = Some(ReadDocument {
            contract: Arc::new(Contract::parse(text)?),
            text: Arc::from(text),
        });
        Ok(())
    }
}

fn names_a_document(settings: &OpenApiSettings) -> Result<(), ValidationError> {
    match settings.document.as_os_str().is_empty() {
        true => Err(refuse("document", "document must name a file")),
        false => Ok(()),
    }
}
