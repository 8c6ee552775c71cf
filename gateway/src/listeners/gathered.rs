//! The stream that requests are read from and answers written to: what waits, how long, and what is read no further.
//!
//! Writes of HTTP/1 wait for the flush, so that the head and the body of an answer leave as one segment, and as one TLS record: Pingora
//! buffers writes only on sockets that its own listeners accept, and flushes wherever somebody waits for the bytes. Reads are watched,
//! because Pingora reads bodies itself: chunks of HTTP/1 are judged, frames of HTTP/2 counted. And a client is not waited for without
//! end: one that takes nothing of what is written, or floods HTTP/2 with frames or leaves them unfinished, ends its connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::frames::FrameMeter;
use super::patience::Patience;

mod following;
mod write_buffer;

pub(super) use following::Following;
use write_buffer::WriteBuffer;

/// How much may wait. An answer's head has about 1.4 KiB, and a larger body is not copied but sent with it in one call.
const WAITING_BYTES_MAX: usize = 4 * 1024;

/// A connection's bytes in both directions.
#[derive(Debug)]
pub(super) struct Gathered {
    stream: WriteBuffer,
    /// With a client that does not take what is written.
    writing: Patience,
    watched: Watched,
}

/// What is watched in what a client sends.
#[derive(Debug)]
enum Watched {
    /// HTTP/1: bodies that come in chunks.
    Chunks(Following),
    /// HTTP/2: how much comes that carries nothing.
    Frames(Frames),
}

/// What is watched on HTTP/2.
#[derive(Debug)]
struct Frames {
    meter: FrameMeter,
    /// With a client that does not finish what it began.
    unfinished: Patience,
    flooded: CancellationToken,
}

impl Gathered {
    /// For HTTP/1. With a client that does not take what is written there is this patience, piece by piece.
    pub(super) fn new(stream: Stream, writing: Patience, following: Following) -> Self {
        Self {
            stream: WriteBuffer::new(stream, WAITING_BYTES_MAX),
            writing,
            watched: Watched::Chunks(following),
        }
    }

    /// For HTTP/2, whose library gathers for itself. The token is cancelled, and nothing more is read, when more frames come than
    /// the meter allows; one that is not whole after `frame_deadline` breaks the connection.
    pub(super) fn of_frames(
        stream: Stream,
        writing: Patience,
        meter: FrameMeter,
        frame_deadline: Duration,
    ) -> (Self, CancellationToken) {
        let flooded = CancellationToken::new();
        let gathered = Self {
            stream: WriteBuffer::new(stream, 0),
            writing,
            watched: Watched::Frames(Frames {
                meter,
                unfinished: Patience::of(frame_deadline),
                flooded: flooded.clone(),
            }),
        };
        (gathered, flooded)
    }

    /// Notes what was written, and does not wait for ever for what was not.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        step: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let (Poll::Ready(Ok(bytes)), Watched::Frames(frames)) = (&step, &mut self.watched) {
            frames.meter.sent(*bytes);
        }
        self.writing.judge(context, step)
    }
}

impl Frames {
    /// Reads on, unless too much has come already.
    fn poll_read(
        &mut self,
        stream: &mut Stream,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.flooded.is_cancelled() {
            return Poll::Pending;
        }
        let began = buffer.filled().len();
        let step = Pin::new(stream).poll_read(context, buffer);
        self.judge(context, buffer, began, step)
    }

    /// Looks at what was read, which began here in the buffer. What came with too many frames is not handed on.
    fn judge(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        began: usize,
        step: Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        let fresh = buffer.filled().get(began..).unwrap_or_default();
        if self.meter.came(fresh).is_err() {
            buffer.set_filled(began);
            // Whoever holds the token ends the connection; until then there is nothing more to read.
            self.flooded.cancel();
            return Poll::Pending;
        }
        if !self.meter.is_in_the_middle() {
            self.unfinished.renew();
        } else if step.is_pending() {
            return self.unfinished.poll_lasts(context);
        }
        step
    }
}

impl AsyncRead for Gathered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let stream = this.stream.get_mut();
        match &mut this.watched {
            Watched::Chunks(following) => following.poll_read(stream, context, buffer),
            Watched::Frames(frames) => frames.poll_read(stream, context, buffer),
        }
    }
}

impl AsyncWrite for Gathered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let step = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, step)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let step = Pin::new(&mut self.stream).poll_flush(context);
        self.writing.judge(context, step)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let step = Pin::new(&mut self.stream).poll_shutdown(context);
        self.writing.judge(context, step)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let step = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.written(context, step)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
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
        self.stream.get_ref().id()
    }
}

impl Ssl for Gathered {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ref().get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.get_ref().selected_alpn_proto()
    }
}

impl GetTimingDigest for Gathered {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.get_ref().get_timing_digest()
    }
}

impl GetProxyDigest for Gathered {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_ref().get_proxy_digest()
    }
}

impl GetSocketDigest for Gathered {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_ref().get_socket_digest()
    }
}

#[async_trait]
impl Peek for Gathered {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        self.stream.get_mut().try_peek(buffer).await
    }
}
