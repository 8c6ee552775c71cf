//! Reading a header that must stand there exactly once.

use http::{HeaderMap, HeaderName};

use crate::Refusal;

/// The longest id of a delivery; what the queue takes is longer.
const ID_BYTES_MAX: usize = 256;

/// The one value of `name`, as it came.
///
/// # Errors
/// There is none, or more than one.
pub(crate) fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h [u8], Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values
        .next()
        .ok_or_else(|| Refusal::HeaderMissing(name.clone()))?;
    if values.next().is_some() {
        return Err(Refusal::HeaderRepeated(name.clone()));
    }
    Ok(value.as_bytes())
}

/// The one value of `name`, which is visible ASCII.
///
/// # Errors
/// There is none, more than one, or it holds anything else.
pub(crate) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, Refusal> {
    let malformed = || Refusal::HeaderMalformed(name.clone());
    let text = std::str::from_utf8(one(headers, name)?).map_err(|_not_text| malformed())?;
    let visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if text.is_empty() || !text.bytes().all(visible) {
        return Err(malformed());
    }
    Ok(text)
}

/// The one value of `name`, which is an id: short, and of visible ASCII without blanks.
///
/// # Errors
/// There is none, more than one, or it is no id.
pub(crate) fn id<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, Refusal> {
    let text = text(headers, name)?;
    if text.len() > ID_BYTES_MAX || text.contains(' ') {
        return Err(Refusal::HeaderMalformed(name.clone()));
    }
    Ok(text)
}
