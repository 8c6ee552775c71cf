//! The framing of a chunked body, judged on its bytes before Pingora sees them.
//!
//! It exists because Pingora forgives in a body what [`crate::head`] does not forgive in a head: a size that is nothing, white space
//! behind it, extensions of any bytes at all, line feeds among them, and anything in place of trailers. Another program on the way may see a
//! chunk end where this one goes on. Whoever frames a body as everybody does is not affected; what is in the chunks is nobody's business
//! here.

use crate::head;
use crate::refusal::Refusal;

/// Bytes of a line: a size with its extensions, or a trailer. Nobody needs more.
const LINE_BYTES_MAX: usize = 1_024;
/// Digits of a size, which fit into 64 bits.
const SIZE_DIGITS_MAX: usize = 16;
/// What lines may cost beside what they frame, in the whole body: a byte in a chunk of its own with an extension as long as a line would make
/// a thousand bytes of one.
const OVERHEAD_BYTES_MAX: usize = 16 * 1_024;
/// What a line may cost that counts for nothing: a size, and the ends of the line and of its chunk.
const LINE_BYTES_FREE: usize = 16;

/// What is said of all that is wrong with chunks.
pub(crate) const NOT_CHUNKS: Refusal = Refusal::Malformed("the body is not framed as chunks");

/// What a stream says that will not read on, because what came is [`NOT_CHUNKS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a chunked body is malformed")]
pub(crate) struct MalformedChunks;

/// Follows a chunked body through whatever pieces it comes in. Costs a look at every framing byte and none at what is framed.
#[derive(Debug)]
pub(crate) struct Chunks {
    place: Place,
    line: Vec<u8>,
    overhead: usize,
}

/// Where in the body the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A line with the size of a chunk.
    Size,
    /// So many bytes of a chunk are still to come.
    Data(u64),
    /// The end of a chunk; whether its carriage return is there.
    DataEnd(bool),
    /// A line behind the last chunk.
    Trailer,
    /// Behind the body.
    Over,
}

impl Chunks {
    /// A body of which nothing has come yet.
    pub(crate) fn new() -> Self {
        Self {
            place: Place::Size,
            line: Vec::new(),
            overhead: 0,
        }
    }

    /// Follows the next bytes. What stands behind the body is not looked at.
    ///
    /// # Errors
    /// As soon as the bytes cannot become a body that everybody reads alike.
    pub(crate) fn follow(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while let Some((first, rest)) = bytes.split_first() {
            bytes = match self.place {
                Place::Over => return Ok(()),
                Place::Data(left) => self.skip(left, bytes),
                Place::DataEnd(has_return) => {
                    self.end_data(has_return, *first)?;
                    rest
                }
                Place::Size | Place::Trailer => self.gather(bytes)?,
            };
        }
        Ok(())
    }

    /// Passes over what a chunk holds, and returns what is left of the bytes.
    fn skip<'b>(&mut self, left: u64, bytes: &'b [u8]) -> &'b [u8] {
        let there = usize::try_from(left).unwrap_or(usize::MAX);
        match bytes.split_at_checked(there) {
            Some((_, rest)) => {
                self.place = Place::DataEnd(false);
                rest
            }
            None => {
                self.place = Place::Data(left.saturating_sub(bytes.len() as u64));
                &[]
            }
        }
    }

    fn end_data(&mut self, has_return: bool, byte: u8) -> Result<(), Refusal> {
        self.place = match (has_return, byte) {
            (false, b'\r') => Place::DataEnd(true),
            (true, b'\n') => Place::Size,
            _ => return Err(NOT_CHUNKS),
        };
        Ok(())
    }

    /// Takes bytes up to the end of a line, judges it once it is whole, and returns what is left.
    fn gather<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Refusal> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (piece, rest) = bytes
            .split_at_checked(end.unwrap_or(bytes.len()))
            .unwrap_or_default();
        if self.line.len().saturating_add(piece.len()) > LINE_BYTES_MAX {
            return Err(NOT_CHUNKS);
        }
        self.line.extend_from_slice(piece);
        let Some(rest) = rest.strip_prefix(b"\n") else {
            return Ok(rest);
        };
        let mut line = std::mem::take(&mut self.line);
        let judged = match line.strip_suffix(b"\r") {
            Some(line) => self.judge(line),
            None => Err(NOT_CHUNKS),
        };
        line.clear();
        self.line = line;
        judged.map(|()| rest)
    }

    fn judge(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let is_trailer = self.place == Place::Trailer;
        self.place = if is_trailer {
            trailer(line)?
        } else {
            size(line)?
        };
        let framed = match self.place {
            Place::Data(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            Place::Size | Place::DataEnd(_) | Place::Trailer | Place::Over => 0,
        };
        // Twice what a line frames buys back what others have cost.
        let bought = framed.saturating_mul(2).saturating_add(LINE_BYTES_FREE);
        self.overhead = self
            .overhead
            .saturating_add(line.len())
            .saturating_sub(bought);
        if self.overhead > OVERHEAD_BYTES_MAX {
            return Err(NOT_CHUNKS);
        }
        Ok(())
    }
}

/// Reads a size, in hexadecimal digits alone, and perhaps extensions, which mean nothing here. Says what comes next.
fn size(line: &[u8]) -> Result<Place, Refusal> {
    let semicolon = line.iter().position(|byte| *byte == b';');
    let (digits, extensions) = line
        .split_at_checked(semicolon.unwrap_or(line.len()))
        .unwrap_or_default();
    let is_plain = |byte: &u8| byte.is_ascii_graphic() || b" \t".contains(byte);
    let is_sound = (1..=SIZE_DIGITS_MAX).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_hexdigit)
        && extensions.iter().all(is_plain);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_sound);
    match digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
        Some(0) => Ok(Place::Trailer),
        Some(bytes) => Ok(Place::Data(bytes)),
        None => Err(NOT_CHUNKS),
    }
}

/// Reads a line behind the last chunk: a field that says nothing about where the request ends or for whom it is, or the end.
fn trailer(line: &[u8]) -> Result<Place, Refusal> {
    if line.is_empty() {
        return Ok(Place::Over);
    }
    let (name, _) = head::field(line)?;
    if head::frames(name) {
        return Err(Refusal::Malformed("a trailer belongs into the head"));
    }
    Ok(Place::Trailer)
}

#[cfg(test)]
mod tests;
