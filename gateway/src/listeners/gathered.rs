//! A stream whose writes wait for the flush, so that the head and the body of an answer leave as one segment, and as one TLS record.
//!
//! It exists because Pingora buffers writes only on sockets that its own listeners accept, and then in a fixed buffer that an answer with
//! all of our headers does not fit into. Pingora flushes wherever somebody waits for the bytes. What waits is kept in memory only
//! until then: an idle connection has none.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

/// How much may wait. An answer's head has about 1.4 KiB, and a larger body is not copied but sent with it in one call.
const WAITING_BYTES_MAX: usize = 4 * 1024;

/// Writes wait for a flush, or for more bytes than may wait.
#[derive(Debug)]
pub(super) struct Gathered {
    stream: Stream,
    waiting: Vec<u8>,
    /// How many of those that wait have been sent.
    sent: usize,
}

impl Gathered {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            waiting: Vec::new(),
            sent: 0,
        }
    }

    /// Sends what waits, and as much of these bytes as goes with it; says how many of them went.
    fn poll_send(&mut self, context: &mut Context<'_>, more: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let rest = self.waiting.get(self.sent..).unwrap_or_default();
            let stream = Pin::new(&mut self.stream);
            let count = match (rest, more) {
                ([], []) => break,
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
            let left = rest.len() - of_rest;
            self.sent += of_rest;
            if left == 0 {
                self.forget();
            }
            if count > of_rest {
                return Poll::Ready(Ok(count - of_rest));
            }
        }
        Poll::Ready(Ok(0))
    }

    /// Everything is sent: the memory goes back, since the next answer may be long in coming.
    fn forget(&mut self) {
        self.waiting = Vec::new();
        self.sent = 0;
    }
}

impl AsyncRead for Gathered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Gathered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.waiting.len() + bytes.len() > WAITING_BYTES_MAX {
            return self.poll_send(context, bytes);
        }
        if self.waiting.capacity() == 0 {
            self.waiting.reserve_exact(WAITING_BYTES_MAX);
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
}

#[async_trait]
impl Shutdown for Gathered {
    async fn shutdown(&mut self) {
        // Pingora's goodbye; a peer that has gone needs none.
        AsyncWriteExt::shutdown(self).await.ok();
    }
}

impl UniqueID for Gathered {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl Ssl for Gathered {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

impl GetTimingDigest for Gathered {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.get_timing_digest()
    }
}

impl GetProxyDigest for Gathered {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_proxy_digest()
    }
}

impl GetSocketDigest for Gathered {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_socket_digest()
    }
}

#[async_trait]
impl Peek for Gathered {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        self.stream.try_peek(buffer).await
    }
}

#[cfg(test)]
mod tests;
