//! The two encoders in one form.
//!
//! It exists so that a stream is ended as its format wants it: a decoder that is strict takes one without its end for one that was cut.
//! While it works, brotli holds about a megabyte and gzip a quarter of that.

use std::io::{self, Write};

use brotli::CompressorWriter;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::Coding;

/// Fast levels: most of what is to be gained at a small part of the time (a page of 64 KiB takes about a millisecond).
const GZIP_LEVEL: u32 = 5;
const BROTLI_LEVEL: u32 = 4;
/// The base-2 logarithm of how far back brotli looks: 256 KiB, more than most pages have.
const BROTLI_WINDOW: u32 = 18;
/// What brotli writes at a time.
const BROTLI_BUFFER_BYTES: usize = 4_096;

/// An encoder at work.
pub(super) enum Encoder {
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Encoder {
    pub(super) fn new(coding: Coding) -> Self {
        match coding {
            Coding::Brotli => Self::Brotli(Box::new(CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER_BYTES,
                BROTLI_LEVEL,
                BROTLI_WINDOW,
            ))),
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))),
        }
    }

    /// Takes a piece, and returns what there is to send, which may be nothing yet.
    ///
    /// # Errors
    /// Never in practice: it writes to memory.
    pub(super) fn push(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        let out = match self {
            Self::Brotli(encoder) => {
                encoder.write_all(piece)?;
                encoder.get_mut()
            }
            Self::Gzip(encoder) => {
                encoder.write_all(piece)?;
                encoder.get_mut()
            }
        };
        Ok(std::mem::take(out))
    }

    /// Ends the stream, and returns the rest of it.
    ///
    /// # Errors
    /// Never in practice: it writes to memory.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Gzip(encoder) => encoder.finish(),
        }
    }
}
