//! The corpora as `corpora.py` writes them: one request a line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use http::{HeaderMap, HeaderName, HeaderValue};
use sallyport_security::inspection::{Format, Parts};
use serde::Deserialize;

/// One request and what is known of it.
pub(crate) struct Request {
    /// The package that it comes from.
    pub(crate) source: String,
    /// `sqli`, `xss`, `traversal` or `benign`.
    pub(crate) class: String,
    /// The part that carries what matters.
    pub(crate) place: String,
    /// In the half that nobody looked at.
    pub(crate) unseen: bool,
    path: Vec<u8>,
    query: Vec<u8>,
    headers: HeaderMap,
    body: Option<(Format, Vec<u8>)>,
}

impl Request {
    pub(crate) fn parts(&self) -> Parts<'_> {
        let body = self.body.as_ref();
        Parts {
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            body: body.map(|(format, bytes)| (*format, bytes.as_slice())),
        }
    }

    /// Everything of it, in one line.
    pub(crate) fn shown(&self) -> String {
        let body = self.body.as_ref().map(|(_, bytes)| bytes.as_slice());
        let headers: Vec<u8> = self
            .headers
            .iter()
            .flat_map(|(name, value)| {
                [name.as_str().as_bytes(), b": ", value.as_bytes(), b" "].concat()
            })
            .collect();
        let all = [
            &self.path,
            &b" ? "[..],
            &self.query,
            b" | ",
            body.unwrap_or_default(),
            b" | ",
            &headers,
        ]
        .concat();
        String::from_utf8_lossy(&all).replace('\n', "\\n")
    }
}

/// A line of a corpus or of recorded traffic. Bytes are the code points 0–255.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Line {
    source: String,
    class: String,
    place: String,
    unseen: bool,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    cookies: String,
    body: String,
    format: Option<Format>,
}

/// Reads a file of requests.
///
/// # Errors
/// The first line that is none.
pub(crate) fn read(file: &Path) -> Result<Vec<Request>> {
    let lines = BufReader::new(File::open(file)?).lines();
    let parsed = lines.enumerate().map(|(number, line)| {
        let line: Line =
            serde_json::from_str(&line?).with_context(|| format!("line {}", number + 1))?;
        request(line)
    });
    parsed.collect()
}

fn request(line: Line) -> Result<Request> {
    let mut headers = HeaderMap::new();
    let cookies = (!line.cookies.is_empty()).then(|| ("cookie".to_owned(), line.cookies));
    for (name, value) in line.headers.into_iter().chain(cookies) {
        let value = HeaderValue::from_bytes(&narrow(&value))?;
        headers.append(HeaderName::from_bytes(name.as_bytes())?, value);
    }
    Ok(Request {
        source: line.source,
        class: line.class,
        place: line.place,
        unseen: line.unseen,
        path: narrow(&line.path),
        query: narrow(&line.query),
        headers,
        body: line.format.map(|format| (format, narrow(&line.body))),
    })
}

fn narrow(text: &str) -> Vec<u8> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?'))
        .collect()
}
