//! A TCP proxy that does wrong what networks do wrong, switchable while connections are open.
//!
//! It stands between the house and one of its neighbours and knows no protocol. What it holds back it keeps, as a network that mends
//! delivers what was sent again; what it resets is gone.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bytes taken from one side at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks between reading and writing: what a slow network has on its way.
const CHUNKS_ON_THE_WAY: usize = 64;
/// A narrow network is paid for in pieces of this size.
const PIECE_BYTES: usize = 1024;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From whoever connected to the neighbour.
    There,
    /// From the neighbour back.
    Back,
}

/// What becomes of bytes and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As though the proxy were not there.
    Pass,
    /// Open connections are reset, and so is each new one.
    Reset,
    /// Connections are taken and nothing moves on them.
    BlackHole,
    /// Nothing moves in this direction: a half-open connection.
    Deaf(Direction),
    /// Every chunk takes this long, and up to `jitter` longer; order is kept.
    Slow { latency: Duration, jitter: Duration },
    /// So many bytes in a second, each way.
    Narrow { bytes_per_second: u32 },
    /// Every byte is a packet of its own.
    Slices,
    /// Nobody listens, and open connections are reset.
    Refuse,
}

impl Way {
    fn holds(self, direction: Direction) -> bool {
        match self {
            Self::BlackHole => true,
            Self::Deaf(deaf) => deaf == direction,
            Self::Pass
            | Self::Reset
            | Self::Slow { .. }
            | Self::Narrow { .. }
            | Self::Slices
            | Self::Refuse => false,
        }
    }

    fn breaks(self) -> bool {
        matches!(self, Self::Reset | Self::Refuse)
    }

    fn delay(self) -> Duration {
        match self {
            Self::Slow { latency, jitter } => latency + jitter.mul_f64(rand::random::<f64>()),
            Self::Pass
            | Self::Reset
            | Self::BlackHole
            | Self::Deaf(_)
            | Self::Narrow { .. }
            | Self::Slices
            | Self::Refuse => Duration::ZERO,
        }
    }
}

/// A proxy in front of one neighbour. Its connections end when it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    way: watch::Sender<Way>,
    stop: CancellationToken,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Proxy {
    /// Listens on this port of this machine and passes everything on.
    pub(crate) async fn start(port: u16, neighbour: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let (way, ways) = watch::channel(Way::Pass);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let door = Door {
            address,
            neighbour,
            ways,
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(door.serve(listener));
        Ok(Self { address, way, stop })
    }

    /// Where to connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on things go this way, for open connections, too.
    pub(crate) fn switch(&self, way: Way) {
        self.way.send_replace(way);
    }
}

struct Door {
    address: SocketAddr,
    neighbour: SocketAddr,
    ways: watch::Receiver<Way>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Door {
    async fn serve(mut self, listener: TcpListener) {
        let mut listener = Some(listener);
        while !self.stop.is_cancelled() {
            let way = *self.ways.borrow_and_update();
            if way == Way::Refuse {
                listener = None;
            } else if listener.is_none() {
                listener = TcpListener::bind(self.address).await.ok();
            }
            let changed = self.ways.changed();
            let Some(listening) = &listener else {
                tokio::select! {
                    _ = changed => {}
                    () = tokio::time::sleep(Duration::from_millis(20)) => {}
                    () = self.stop.cancelled() => {}
                }
                continue;
            };
            tokio::select! {
                _ = changed => {}
                accepted = listening.accept() => if let Ok((client, _)) = accepted {
                    let (ways, stop) = (self.ways.clone(), self.stop.clone());
                    let neighbour = self.neighbour;
                    self.tasks.spawn(async move {
                        stop.run_until_cancelled(connect(client, neighbour, ways)).await;
                    });
                },
                () = self.stop.cancelled() => {}
            }
        }
    }
}

async fn connect(mut client: TcpStream, neighbour: SocketAddr, mut ways: watch::Receiver<Way>) {
    // A proxy that is gone changes its way no more.
    drop(ways.wait_for(|way| *way != Way::BlackHole).await);
    if ways.borrow().breaks() {
        return reset(&client);
    }
    let Ok(mut server) = TcpStream::connect(neighbour).await else {
        return;
    };
    drop(client.set_nodelay(true));
    drop(server.set_nodelay(true));
    let is_broken = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let there = carry(from_client, to_server, Direction::There, ways.clone());
        let back = carry(from_server, to_client, Direction::Back, ways.clone());
        tokio::select! {
            _ = async { tokio::join!(there, back) } => false,
            broken = ways.wait_for(|way| way.breaks()) => broken.is_ok(),
        }
    };
    if is_broken {
        reset(&client);
        reset(&server);
    }
}

/// What is closed after this is reset. Where the option is refused, an ordinary close has to do.
fn reset(connection: &TcpStream) {
    drop(connection.set_zero_linger());
}

/// Carries bytes in one direction until their sender ends, then says so to the other side.
async fn carry(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    direction: Direction,
    ways: watch::Receiver<Way>,
) {
    let (chunks, arriving) = mpsc::channel(CHUNKS_ON_THE_WAY);
    tokio::join!(
        take(from, direction, ways.clone(), chunks),
        give(to, direction, ways, arriving)
    );
}

async fn take(
    mut from: ReadHalf<'_>,
    direction: Direction,
    mut ways: watch::Receiver<Way>,
    chunks: mpsc::Sender<(Instant, Vec<u8>)>,
) {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        drop(ways.wait_for(|way| !way.holds(direction)).await);
        let count = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        let at = Instant::now() + ways.borrow().delay();
        if chunks.send((at, buffer[..count].to_vec())).await.is_err() {
            return;
        }
    }
}

async fn give(
    mut to: WriteHalf<'_>,
    direction: Direction,
    mut ways: watch::Receiver<Way>,
    mut arriving: mpsc::Receiver<(Instant, Vec<u8>)>,
) {
    while let Some((at, chunk)) = arriving.recv().await {
        tokio::time::sleep_until(at).await;
        drop(ways.wait_for(|way| !way.holds(direction)).await);
        let way = *ways.borrow();
        if write(&mut to, &chunk, way).await.is_err() {
            return;
        }
    }
    drop(ways.wait_for(|way| !way.holds(direction)).await);
    // Whoever is gone does not have to be told that there is nothing more.
    drop(to.shutdown().await);
}

async fn write(to: &mut WriteHalf<'_>, chunk: &[u8], way: Way) -> io::Result<()> {
    match way {
        Way::Slices => {
            for byte in chunk {
                to.write_all(std::slice::from_ref(byte)).await?;
            }
            Ok(())
        }
        Way::Narrow { bytes_per_second } => {
            for piece in chunk.chunks(PIECE_BYTES) {
                to.write_all(piece).await?;
                let takes = piece.len() as f64 / f64::from(bytes_per_second);
                tokio::time::sleep(Duration::from_secs_f64(takes)).await;
            }
            Ok(())
        }
        Way::Pass | Way::Reset | Way::BlackHole | Way::Deaf(_) | Way::Slow { .. } | Way::Refuse => {
            to.write_all(chunk).await
        }
    }
}
