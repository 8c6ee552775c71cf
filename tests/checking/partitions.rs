//! Each way of the TCP proxy, seen from a client in front of an echo.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::proxy::{Direction, Proxy, Way};

/// Long enough to say that nothing comes.
const SILENCE: Duration = Duration::from_millis(150);
/// Long enough for anything that does come.
const PATIENCE: Duration = Duration::from_secs(10);

async fn proxy_before_an_echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let echo = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = connection.split();
                drop(tokio::io::copy(&mut from, &mut to).await);
            });
        }
    });
    Proxy::start(0, echo).await.unwrap()
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn echoes(connection: &mut TcpStream, words: &[u8]) -> bool {
    connection.write_all(words).await.unwrap();
    let mut heard = vec![0; words.len()];
    let read = tokio::time::timeout(PATIENCE, connection.read_exact(&mut heard)).await;
    read.is_ok_and(|read| read.is_ok()) && heard == words
}

async fn hears_nothing(connection: &mut TcpStream) -> bool {
    let mut byte = [0];
    tokio::time::timeout(SILENCE, connection.read(&mut byte))
        .await
        .is_err()
}

#[tokio::test]
async fn what_a_black_hole_held_back_arrives_when_it_is_mended() {
    let proxy = proxy_before_an_echo().await;
    let mut connection = connect(&proxy).await;
    assert!(echoes(&mut connection, b"before").await);

    proxy.switch(Way::BlackHole);
    // Whoever was reading already takes one more chunk; it gets no further.
    connection.write_all(b"held").await.unwrap();
    assert!(hears_nothing(&mut connection).await);
    let mut newcomer = connect(&proxy).await;
    newcomer.write_all(b"new").await.unwrap();
    assert!(hears_nothing(&mut newcomer).await);
    proxy.switch(Way::Pass);

    let mut heard = [0; 4];
    connection.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"held");
    let mut heard = [0; 3];
    newcomer.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"new");
}

#[tokio::test]
async fn a_reset_reaches_open_and_new_connections() {
    let proxy = proxy_before_an_echo().await;
    let mut connection = connect(&proxy).await;
    assert!(echoes(&mut connection, b"before").await);

    proxy.switch(Way::Reset);

    let error = connection.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let new = async { connect(&proxy).await.read_u8().await };
    assert!(new.await.is_err());
}

#[tokio::test]
async fn refusing_is_over_when_it_is_switched_back() {
    let proxy = proxy_before_an_echo().await;
    let mut connection = connect(&proxy).await;
    assert!(echoes(&mut connection, b"before").await);

    proxy.switch(Way::Refuse);
    assert!(connection.read_u8().await.is_err());
    let refused = async || match TcpStream::connect(proxy.address()).await {
        Ok(_) => false,
        Err(error) => error.kind() == ErrorKind::ConnectionRefused,
    };
    assert!(until(refused).await);

    proxy.switch(Way::Pass);
    let mended = async || match TcpStream::connect(proxy.address()).await {
        Ok(mut connection) => echoes(&mut connection, b"after").await,
        Err(_) => false,
    };
    assert!(until(mended).await);
}

#[tokio::test]
async fn a_half_open_connection_moves_bytes_one_way_only() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(0, listener.local_addr().unwrap())
        .await
        .unwrap();
    let mut client = connect(&proxy).await;
    let (mut server, _) = listener.accept().await.unwrap();

    proxy.switch(Way::Deaf(Direction::Back));
    client.write_all(b"there").await.unwrap();
    server.write_all(b"back").await.unwrap();

    let mut heard = [0; 5];
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"there");
    assert!(hears_nothing(&mut client).await);
    proxy.switch(Way::Deaf(Direction::There));
    let mut heard = [0; 4];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"back");
}

#[tokio::test]
async fn latency_narrowness_and_slices_change_times_and_no_byte() {
    let proxy = proxy_before_an_echo().await;
    let mut connection = connect(&proxy).await;
    assert!(echoes(&mut connection, b"before").await);
    let latency = Duration::from_millis(40);
    let jitter = Duration::from_millis(10);

    proxy.switch(Way::Slow { latency, jitter });
    let began = Instant::now();
    assert!(echoes(&mut connection, b"slow").await);
    assert!(began.elapsed() >= latency * 2);

    proxy.switch(Way::Narrow {
        bytes_per_second: 20_000,
    });
    let began = Instant::now();
    assert!(echoes(&mut connection, &[7; 4_000]).await);
    assert!(began.elapsed() >= Duration::from_millis(150));

    proxy.switch(Way::Slices);
    assert!(echoes(&mut connection, &[9; 3_000]).await);
}

/// The one bounded wait of these tests.
async fn until(mut holds: impl AsyncFnMut() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if holds().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}
