//! Somebody who listens on every address of this machine, and counts who comes where.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::background::Background;

const HEAD_BYTES_MAX: usize = 64 * 1_024;

/// Who came, by the address at which they came.
type Comers = Arc<Mutex<BTreeMap<IpAddr, usize>>>;

/// Listens until it is dropped. A request for `/redirect/STATUS/LOCATION` is answered with that, everything else with 200.
pub(crate) struct Traps {
    pub(crate) port: u16,
    comers: Comers,
    _serving: Background,
}

impl Traps {
    pub(crate) async fn set() -> std::io::Result<Self> {
        // Connections over IPv4 come to this one, too.
        let listener = TcpListener::bind("[::]:0").await?;
        let port = listener.local_addr()?.port();
        let comers = Comers::default();
        let counted = Arc::clone(&comers);
        let serving = Background::start(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(here) = stream.local_addr() {
                    *counted.lock().entry(here.ip().to_canonical()).or_default() += 1;
                }
                serve(stream).await;
            }
        });
        Ok(Self {
            port,
            comers,
            _serving: serving,
        })
    }

    /// How many connections came to this address.
    pub(crate) fn at(&self, address: IpAddr) -> usize {
        self.comers.lock().get(&address).copied().unwrap_or(0)
    }

    /// How many came to any other.
    pub(crate) fn elsewhere_than(&self, address: IpAddr) -> usize {
        let comers = self.comers.lock();
        let others = comers.iter().filter(|(here, _)| **here != address);
        others.map(|(_, count)| count).sum()
    }
}

async fn serve(mut stream: TcpStream) {
    let mut head = Vec::new();
    let mut buffer = [0; 4_096];
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        match stream.read(&mut buffer).await {
            Ok(count @ 1..) => head.extend_from_slice(&buffer[..count]),
            Ok(_) | Err(_) => return,
        }
        // A client that wants TLS gets nothing.
        if head.first() == Some(&0x16) {
            return;
        }
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default();
    let redirect = path
        .strip_prefix("/redirect/")
        .and_then(|rest| rest.split_once('/'));
    let answer = match redirect {
        Some((status, location)) => {
            format!("HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\n")
        }
        None => "HTTP/1.1 200 OK\r\n".to_owned(),
    };
    let rest = "content-length: 0\r\nconnection: close\r\n\r\n";
    drop(stream.write_all(format!("{answer}{rest}").as_bytes()).await);
    // What of the body is still on its way is read, or the answer would be lost in a reset.
    drop(stream.shutdown().await);
    while let Ok(1..) = stream.read(&mut buffer).await {}
}
