//! How long an answer without an end may be silent: a connection to an upstream that watches itself.
//!
//! It exists because an answer has two kinds of waiting. Until its head is there, an upstream that says nothing is slow. After that,
//! a stream of events or a WebSocket may be silent for minutes and be well. Pingora knows one time for both, so a
//! request that wants such an answer gets a connection of its own, whose timeout changes when the head has come; other requests have
//! nothing of this. What is read and what is written both count as a sign of life.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::l4::Connect;
use pingora::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorType};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// How long one connection may be silent, for those who make it and those who change it.
#[derive(Debug)]
pub(crate) struct StreamIdleTimeout {
    silence_ms_max: AtomicU64,
    is_over: AtomicBool,
}

impl StreamIdleTimeout {
    pub(crate) fn new(silence_max: Duration) -> Arc<Self> {
        Arc::new(Self {
            silence_ms_max: AtomicU64::new(millis(silence_max)),
            is_over: AtomicBool::new(false),
        })
    }

    /// From now on it may be silent for so long.
    pub(crate) fn allow(&self, silence_max: Duration) {
        self.silence_ms_max
            .store(millis(silence_max), Ordering::Relaxed);
    }

    /// Whether it was silent for longer, and was ended for that.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn silence_max(&self) -> Duration {
        Duration::from_millis(self.silence_ms_max.load(Ordering::Relaxed))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Makes a connection with this timeout. The deadline for that is Pingora's.
#[derive(Debug)]
pub(crate) struct StreamConnect(pub(crate) Arc<StreamIdleTimeout>);

#[async_trait]
impl Connect for StreamConnect {
    async fn connect(&self, address: &PeerAddress) -> pingora::Result<Stream> {
        let address = address.as_inet().copied();
        let address: SocketAddr = address.ok_or_else(|| {
            Error::explain(ErrorType::InternalError, "an upstream without an address")
        })?;
        let stream = TcpStream::connect(address).await.map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
                _ => ErrorType::ConnectError,
            };
            Error::because(kind, "for an answer without an end", error)
        })?;
        let socket = StreamSocket {
            stream,
            idle_timeout: Arc::clone(&self.0),
            heard: Instant::now(),
            alarm: Box::pin(sleep_until(Instant::now() + self.0.silence_max())),
        };
        Ok(Stream::from(VirtualSocketStream::new(Box::new(socket))))
    }
}

struct StreamSocket {
    stream: TcpStream,
    idle_timeout: Arc<StreamIdleTimeout>,
    /// When there was last a sign of life.
    heard: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl StreamSocket {
    /// Ready once the silence has lasted too long. Wakes the task when it may have.
    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.alarm.as_mut().poll(context));
            // There may have been a sign of life, or another timeout, since the alarm was set.
            let over_at = self.heard + self.idle_timeout.silence_max();
            if over_at <= Instant::now() {
                self.idle_timeout.is_over.store(true, Ordering::Relaxed);
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(over_at);
        }
    }
}

impl AsyncRead for StreamSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            this.heard = Instant::now();
            return Poll::Ready(read);
        }
        ready!(this.poll_over(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for StreamSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(context, bytes));
        this.heard = Instant::now();
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl VirtualSocket for StreamSocket {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.stream.set_nodelay(true),
            // Silence has a bound of its own.
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for StreamSocket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stream.fmt(formatter)
    }
}
