//! Bytes that wait for the flush, or for more of them than may wait.
//!
//! It exists because the buffer of tokio's `BufWriter` has one size for as long as the connection lasts: too small for an answer with all
//! of our headers, or too large for thousands of idle connections. Here what waits is kept in memory only until it is sent.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pingora::protocols::Stream;
use tokio::io::AsyncWrite;

/// A stream with a buffer for writes.
#[derive(Debug)]
pub(super) struct WriteBuffer {
    stream: Stream,
    waiting: Vec<u8>,
    /// How many of those that wait have been sent.
    sent: usize,
    waiting_max: usize,
}

impl WriteBuffer {
    /// With at most so many bytes that wait. 0: none.
    pub(super) fn new(stream: Stream, waiting_max: usize) -> Self {
        Self {
            stream,
            waiting: Vec::new(),
            sent: 0,
            waiting_max,
        }
    }

    /// The stream itself. Writing to it would overtake what waits.
    pub(super) fn get_ref(&self) -> &Stream {
        &self.stream
    }

    /// The same to be read from.
    pub(super) fn get_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Sends what waits, and as much of these bytes as goes with it; says how many of them went.
    fn poll_send(&mut self, context: &mut Context<'_>, more: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let rest = self.waiting.get(self.sent..).unwrap_or_default();
            let stream = Pin::new(&mut self.stream);
            let count = match (rest, more) {
                ([], []) => return Poll::Ready(Ok(0)),
                ([], only) | (only, []) => ready!(stream.poll_write(context, only))?,
                (rest, more) => {
                    let both = [IoSlice::new(rest), IoSlice::new(more)];
                    ready!(stream.poll_write_vectored(context, &both))?
                }
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_rest = count.min(rest.len());
            self.sent += of_rest;
            if self.sent == self.waiting.len() {
                self.forget();
            }
            if count > of_rest {
                return Poll::Ready(Ok(count - of_rest));
            }
        }
    }

    /// Everything is sent: the memory goes back, since the next answer may be long in coming.
    fn forget(&mut self) {
        self.waiting = Vec::new();
        self.sent = 0;
    }
}

impl AsyncWrite for WriteBuffer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.waiting.len() + bytes.len() > self.waiting_max {
            return self.poll_send(context, bytes);
        }
        if self.waiting.capacity() == 0 {
            let whole = self.waiting_max;
            self.waiting.reserve_exact(whole);
        }
        self.waiting.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context, &[]))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context, &[]))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if self.waiting.is_empty() && length > self.waiting_max {
            return Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        }
        match parts.iter().find(|part| !part.is_empty()) {
            Some(first) => self.poll_write(context, first),
            None => Poll::Ready(Ok(0)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
