//! The shape of an HTTP/1 head, judged on its bytes before Pingora sees them.
//!
//! It exists because Pingora forgives what a front door must not: a missing Host, bare line feeds, lower-case methods, a space in
//! the target, several transfer codings or lengths. Two programs that read one request differently are how requests
//! are smuggled, so everything that could be read in two ways is refused. Reading bytes from the socket is for
//! [`crate::listeners`]; HTTP/2, which has no such bytes, is judged by [`crate::checks`].

use std::sync::Arc;

use crate::refusal::Refusal;
use crate::settings::ConnectionSettings;

/// What a client reads that asks for a tunnel: the methods that some route or other takes.
const NO_TUNNEL: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

/// The longest name that there can be, with its port.
const HOST_BYTES_MAX: usize = 255;
/// Digits of a port.
const PORT_DIGITS_MAX: usize = 5;

/// What the head may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadLimits {
    /// Bytes, the empty line included.
    pub(crate) bytes_max: usize,
    /// Fields.
    pub(crate) fields_max: usize,
}

impl HeadLimits {
    pub(crate) fn of(settings: &ConnectionSettings) -> Self {
        Self {
            bytes_max: settings.head_bytes_max,
            fields_max: settings.head_fields_max,
        }
    }
}

/// Looks for the end of a head in bytes that arrive piece by piece, touching each byte once.
#[derive(Debug, Default)]
pub(crate) struct EndFinder {
    scanned: usize,
    line_start: usize,
}

impl EndFinder {
    /// The length of the head, its empty line included, once it is complete.
    ///
    /// # Errors
    /// As soon as the bytes cannot become a head: another protocol, a bare line feed, too many bytes.
    pub(crate) fn find(
        &mut self,
        bytes: &[u8],
        limits: HeadLimits,
    ) -> Result<Option<usize>, Refusal> {
        if bytes
            .first()
            .is_some_and(|first| !first.is_ascii_alphabetic())
        {
            return Err(Refusal::Malformed(
                "the request does not begin with a method",
            ));
        }
        let fresh = bytes.get(self.scanned..).unwrap_or_default();
        let feeds = fresh.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        for (offset, _) in feeds {
            let feed = self.scanned.saturating_add(offset);
            let line = bytes.get(self.line_start..feed).unwrap_or_default();
            if line.last() != Some(&b'\r') {
                return Err(Refusal::Malformed(
                    "a line of the head ends without carriage return",
                ));
            }
            let end = feed.saturating_add(1);
            if line.len() == 1 {
                return within(end, limits).map(Some);
            }
            self.line_start = end;
        }
        self.scanned = bytes.len();
        within(bytes.len(), limits).map(|_| None)
    }
}

fn within(length: usize, limits: HeadLimits) -> Result<usize, Refusal> {
    if length > limits.bytes_max {
        return Err(Refusal::HeadTooLarge(limits.bytes_max));
    }
    Ok(length)
}

/// Judges a complete head, from its first byte to its empty line, and says whether its body comes in chunks.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn judge(head: &[u8], limits: HeadLimits) -> Result<bool, Refusal> {
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let is_http_1_0 = request_line(lines.next().unwrap_or_default())?;
    let mut framing = Framing::default();
    let mut count = 0_usize;
    for line in lines.take_while(|line| !line.is_empty()) {
        count = count.saturating_add(1);
        if count > limits.fields_max {
            return Err(Refusal::TooManyFields(limits.fields_max));
        }
        let (name, value) = field(line)?;
        framing.note(name, value)?;
    }
    framing.verdict(is_http_1_0)?;
    Ok(framing.has_coding)
}

/// Judges the request line and says whether it speaks HTTP/1.0.
fn request_line(line: &[u8]) -> Result<bool, Refusal> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::Malformed(
            "the request line is not method, target and version with one space between",
        ));
    };
    if method.is_empty()
        || !method
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || *byte == b'-')
    {
        return Err(Refusal::Malformed("the method is not in capital letters"));
    }
    if method == b"CONNECT" {
        return Err(Refusal::Method(Arc::from(NO_TUNNEL)));
    }
    let is_http_1_0 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ if version.starts_with(b"HTTP/") => return Err(Refusal::Version),
        _ => {
            return Err(Refusal::Malformed(
                "the request line does not end in an HTTP version",
            ));
        }
    };
    if target.first() != Some(&b'/') {
        return Err(Refusal::Malformed("the target is not a path"));
    }
    if !target
        .iter()
        .all(|byte| byte.is_ascii_graphic() && *byte != b'#')
    {
        return Err(Refusal::Malformed(
            "the target holds a byte that must be percent-encoded",
        ));
    }
    Ok(is_http_1_0)
}

/// Splits a field line into its name and its value without the white space around it.
///
/// # Errors
/// When it is no field, or one that goes on over several lines.
pub(crate) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    if line
        .first()
        .is_some_and(|byte| matches!(byte, b' ' | b'\t'))
    {
        return Err(Refusal::Malformed("a field goes on over a second line"));
    }
    let colon = line
        .iter()
        .position(|byte| *byte == b':')
        .ok_or(Refusal::Malformed("a field has no colon"))?;
    let (name, rest) = line.split_at_checked(colon).unwrap_or_default();
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err(Refusal::Malformed(
            "a field's name holds a byte that is not allowed there",
        ));
    }
    let value = rest.strip_prefix(b":").unwrap_or(rest).trim_ascii();
    if value
        .iter()
        .any(|byte| byte.is_ascii_control() && *byte != b'\t')
    {
        return Err(Refusal::Malformed(
            "a field's value holds a control character",
        ));
    }
    Ok((name, value))
}

/// The bytes of RFC 9110's `token`.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The fields that decide where a request ends and for whom it is. Each may stand there once.
#[derive(Default)]
struct Framing {
    has_host: bool,
    has_length: bool,
    has_coding: bool,
}

impl Framing {
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        if name.eq_ignore_ascii_case(b"host") {
            once(&mut self.has_host, "there are two Host fields")?;
            return host(value);
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            once(&mut self.has_length, "there are two Content-Length fields")?;
            return length(value);
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            once(
                &mut self.has_coding,
                "there are two Transfer-Encoding fields",
            )?;
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::Malformed("Transfer-Encoding is not just chunked"));
            }
        }
        if name.eq_ignore_ascii_case(b"expect") && !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::Expectation);
        }
        Ok(())
    }

    fn verdict(&self, is_http_1_0: bool) -> Result<(), Refusal> {
        if !self.has_host {
            return Err(Refusal::Malformed("there is no Host field"));
        }
        if self.has_length && self.has_coding {
            return Err(Refusal::Malformed(
                "there are both Content-Length and Transfer-Encoding",
            ));
        }
        if self.has_coding && is_http_1_0 {
            return Err(Refusal::Malformed("HTTP/1.0 knows no Transfer-Encoding"));
        }
        Ok(())
    }
}

/// Whether a field of this name, written in any way, decides where a request ends and for whom it is.
pub(crate) fn frames(name: &[u8]) -> bool {
    let framing: [&[u8]; 3] = [b"host", b"content-length", b"transfer-encoding"];
    framing.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn once(seen: &mut bool, complaint: &'static str) -> Result<(), Refusal> {
    if std::mem::replace(seen, true) {
        return Err(Refusal::Malformed(complaint));
    }
    Ok(())
}

/// A name, or an address, which stands in brackets if it has colons of its own; then perhaps a port.
fn host(value: &[u8]) -> Result<(), Refusal> {
    let colon = value.iter().rposition(|byte| *byte == b':');
    let is_inside = value.last() == Some(&b']');
    let (name, port) = value
        .split_at_checked(colon.filter(|_| !is_inside).unwrap_or(value.len()))
        .unwrap_or_default();
    let is_name = match name.strip_prefix(b"[") {
        Some(rest) => rest.strip_suffix(b"]").is_some_and(|address| {
            let plain = |byte: &u8| byte.is_ascii_hexdigit() || b":.".contains(byte);
            !address.is_empty() && address.iter().all(plain)
        }),
        None => {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
            !name.is_empty() && name.iter().all(plain)
        }
    };
    let digits = port.strip_prefix(b":").unwrap_or(port);
    let is_port = digits.len() <= PORT_DIGITS_MAX && digits.iter().all(u8::is_ascii_digit);
    if value.len() > HOST_BYTES_MAX || !is_name || !is_port {
        return Err(Refusal::Malformed(
            "Host is not a host name with an optional port",
        ));
    }
    Ok(())
}

/// Digits only, and few enough to fit into 63 bits: no sign, no list, no hexadecimal.
fn length(value: &[u8]) -> Result<(), Refusal> {
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Malformed("Content-Length is not one number"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
