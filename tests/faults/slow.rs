//! Clients that are slow on purpose: a byte in a second, below every patience with a single read or write.
//!
//! They judge nothing. How long each was borne is told in the end, from its first byte to the close of its connection. A slow reader cannot
//! tell: what its connection still holds hides that there will be no more. Who was writing to it can.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::crowd;
use crate::outfit::{Doors, WEBHOOK_SECRET};

/// How long a byte takes.
const BEAT: Duration = Duration::from_secs(1);
/// A slow reader leaves then.
const READS_FOR: Duration = Duration::from_secs(12);
/// After this a connection is not expected to be closed any more.
const PATIENCE: Duration = Duration::from_secs(25);

/// In what somebody is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slow {
    /// A TLS handshake.
    Handshake,
    /// A request's head.
    Head,
    /// A webhook's body; its head has proved who sends it.
    Body,
    /// A body that is handed on.
    Forwarded,
    /// Reading a large answer.
    Read,
}

/// What became of a slow connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// It was not taken.
    Refused,
    /// It was closed so long after its first byte.
    Closed(Duration),
    /// It was still open when everybody had given up.
    Open,
}

impl Slow {
    pub(crate) const ALL: [Self; 5] = [
        Self::Handshake,
        Self::Head,
        Self::Body,
        Self::Forwarded,
        Self::Read,
    ];

    /// What is said at once.
    fn opening(self) -> String {
        match self {
            Self::Handshake | Self::Head => String::new(),
            Self::Body => format!(
                "POST /telegram/ops HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\n\
                 X-Telegram-Bot-Api-Secret-Token: {WEBHOOK_SECRET}\r\nContent-Length: 4096\r\n\r\n"
            ),
            Self::Forwarded => "POST /slow/body HTTP/1.1\r\nHost: edge\r\n\
                           Content-Type: application/octet-stream\r\nContent-Length: 4096\r\n\r\n"
                .to_owned(),
            Self::Read => "GET /slow/large HTTP/1.1\r\nHost: edge\r\n\r\n".to_owned(),
        }
    }

    /// What is said byte by byte, and its last byte again for ever.
    fn rest(self) -> &'static [u8] {
        match self {
            // A record of TLS that holds the beginning of a ClientHello.
            Self::Handshake => &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 7],
            Self::Head => b"GET /health/live HTTP/1.1\r\nHost: edge\r\nX-Slow: y",
            Self::Body | Self::Forwarded => b"{ ",
            Self::Read => b"",
        }
    }

    /// One connection's life.
    pub(crate) async fn live(self, member: usize, doors: Doors) -> End {
        let port = if self == Self::Handshake {
            doors.tls
        } else {
            doors.http
        };
        let Ok(stream) = crowd::dial(member, port, self == Self::Read).await else {
            return End::Refused;
        };
        let began = Instant::now();
        let patience = if self == Self::Read {
            READS_FOR
        } else {
            PATIENCE
        };
        let ended = tokio::time::timeout(patience, self.dawdle(stream)).await;
        match ended {
            // It ends in an error of the connection, or in its close.
            Ok(_closed) => End::Closed(began.elapsed()),
            Err(_elapsed) => End::Open,
        }
    }

    /// Goes on until the other side ends the connection.
    async fn dawdle(self, mut stream: TcpStream) -> io::Result<()> {
        stream.write_all(self.opening().as_bytes()).await?;
        let mut beat = tokio::time::interval(BEAT);
        if self == Self::Read {
            while stream.read(&mut [0]).await? > 0 {
                beat.tick().await;
            }
            return Ok(());
        }
        let (rest, mut said, mut heard) = (self.rest(), 0, [0; 4096]);
        loop {
            tokio::select! {
                read = stream.read(&mut heard) => {
                    if read? == 0 {
                        return Ok(());
                    }
                }
                _ = beat.tick() => {
                    let byte = rest[said.min(rest.len() - 1)];
                    said += 1;
                    // What does not fit any more is not said: only the answer counts.
                    drop(stream.try_write(&[byte]));
                }
            }
        }
    }
}
