//! The chunked body that is being read, if there is one.
//!
//! It exists because Pingora reads bodies itself, and more leniently than a front door should. What is wrong with chunks is for
//! [`crate::chunks`].

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, ReadBuf};

use crate::chunks::{Chunks, MalformedChunks};

/// Shared by the stream, which Pingora owns, and by who reads the heads on it.
#[derive(Clone, Debug, Default)]
pub(in crate::listeners) struct Following(Arc<Mutex<Body>>);

/// What is being read.
#[derive(Debug, Default)]
enum Body {
    /// Nothing that is judged here.
    #[default]
    Any,
    Chunks(Chunks),
    /// Whatever follows chunks that were malformed.
    Malformed,
}

/// What came of following.
enum Followed {
    Sound,
    /// From here on nothing can be read.
    Malformed,
    /// It stands behind that.
    Beyond,
}

impl Following {
    /// From here on the stream holds the rest of this body, or of one that is not judged.
    pub(in crate::listeners) fn begin(&self, chunks: Option<Chunks>) {
        *self.0.lock() = chunks.map_or(Body::Any, Body::Chunks);
    }

    /// Reads on and judges what has come.
    pub(super) fn poll_read(
        &self,
        stream: &mut Stream,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            ready!(Pin::new(&mut *stream).poll_read(context, buffer))?;
            let fresh = buffer.filled().get(before..).unwrap_or_default();
            match self.follow(fresh) {
                // Taken and thrown away for as long as somebody reads, so that the answer arrives; see `body::discard_rest`.
                Followed::Beyond if !fresh.is_empty() => buffer.set_filled(before),
                Followed::Malformed | Followed::Beyond => {
                    let malformed = io::Error::new(io::ErrorKind::InvalidData, MalformedChunks);
                    return Poll::Ready(Err(malformed));
                }
                Followed::Sound => return Poll::Ready(Ok(())),
            }
        }
    }

    fn follow(&self, bytes: &[u8]) -> Followed {
        let mut body = self.0.lock();
        match &mut *body {
            Body::Any => Followed::Sound,
            Body::Malformed => Followed::Beyond,
            Body::Chunks(chunks) => match chunks.follow(bytes) {
                Ok(()) => Followed::Sound,
                Err(_refusal) => {
                    *body = Body::Malformed;
                    Followed::Malformed
                }
            },
        }
    }
}
