//! Clients over TLS that ask once and keep their connection, for whoever wants many of them.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::crowd::{self, Tls};
use crate::frames;

/// What they ask for.
const PAGE: &str = "/health/live";

/// In which protocol a connection is kept.
#[derive(Clone)]
pub(crate) enum Protocol {
    One(Tls),
    Two(Tls),
}

/// Somebody who keeps a connection.
pub(crate) enum Idler {
    One(Box<TlsStream<TcpStream>>),
    Two(Box<frames::Connection>),
}

impl Idler {
    /// Connects as this member of a crowd, and asks once.
    pub(crate) async fn arrive(member: usize, port: u16, protocol: Protocol) -> io::Result<Self> {
        let socket = crowd::dial(member, port, false).await?;
        let mut idler = match protocol {
            Protocol::One(tls) => Self::One(Box::new(tls.shake(socket).await?)),
            Protocol::Two(tls) => {
                Self::Two(Box::new(frames::Connection::begin(&tls, socket).await?))
            }
        };
        idler.ask(1).await?;
        Ok(idler)
    }

    /// Asks on the connection, for the so manieth time, until an answer has begun.
    pub(crate) async fn ask(&mut self, time: u32) -> io::Result<()> {
        match self {
            Self::One(stream) => ask_plainly(stream).await,
            Self::Two(connection) => connection.ask(2 * time - 1, PAGE).await,
        }
    }
}

/// One request in HTTP/1.1.
async fn ask_plainly(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    let request = format!("GET {PAGE} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    // The edge sends its small answers whole.
    let mut answer = [0; 2_048];
    let length = stream.read(&mut answer).await?;
    if answer[..length].starts_with(b"HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// Has so many arrive, behind those who are there already, at this pace. Those who were not taken are missing.
pub(crate) async fn gather(
    port: u16,
    protocol: &Protocol,
    behind: usize,
    count: usize,
    per_second: u32,
) -> Vec<Idler> {
    let all = crowd::assemble(count, per_second, |member| {
        Idler::arrive(behind + member, port, protocol.clone())
    });
    all.await.into_iter().flatten().collect()
}
