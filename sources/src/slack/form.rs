//! A form as Slack sends it, read once and strictly.
//!
//! It exists because readers of forms differ: in which of two fields of one name counts, and in what becomes of bytes that are no text.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use crate::ReadError;

/// Fields of a form; Slack's have about a dozen.
const FIELDS_MAX: usize = 64;

/// The fields by their names.
///
/// # Errors
/// A field stands there twice, there are too many, or something is no text.
pub(super) fn read(body: &[u8]) -> Result<BTreeMap<String, String>, ReadError> {
    let body = std::str::from_utf8(body).map_err(|_no_text| ReadError::UnreadableForm)?;
    let mut fields = BTreeMap::new();
    for pair in body.split('&') {
        let (name, value) = pair.split_once('=').ok_or(ReadError::UnreadableForm)?;
        let repeated = fields.insert(decoded(name)?, decoded(value)?);
        if repeated.is_some() || fields.len() > FIELDS_MAX {
            return Err(ReadError::UnreadableForm);
        }
    }
    Ok(fields)
}

fn decoded(text: &str) -> Result<String, ReadError> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    let decoded = decoded.map_err(|_no_text| ReadError::UnreadableForm)?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_in_one_way_or_not_at_all() {
        let fields = read(b"command=%2Fstatus&text=a+b%26c%3D%F0%9F%8E%B4&empty=").unwrap();
        assert_eq!(fields.get("command").unwrap(), "/status");
        assert_eq!(fields.get("text").unwrap(), "a b&c=🎴");
        assert_eq!(fields.get("empty").unwrap(), "");

        let many = vec!["x=1"; 65].join("&");
        for bad in ["a=1&a=2", "a=1&%61=2", "a=%ff", "a", "", "a=1&&b=2", &many] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(read(b"a=\xff").is_err());
    }
}
