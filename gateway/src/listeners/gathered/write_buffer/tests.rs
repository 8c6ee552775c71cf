use std::time::Duration;

use pingora::protocols::l4::stream::Stream as Socket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;

async fn pair() -> (WriteBuffer, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
    let ours: Stream = Box::new(Socket::from(ours.unwrap()));
    (WriteBuffer::new(ours, 4_096), theirs.unwrap().0)
}

#[tokio::test]
async fn a_head_and_its_body_wait_for_the_flush_and_leave_together() {
    let (mut ours, mut theirs) = pair().await;
    let head = vec![b'h'; 1_500];
    ours.write_all(&head).await.unwrap();
    ours.write_all(b"body").await.unwrap();
    let mut seen = vec![0; 4_096];
    let early = timeout(Duration::from_millis(50), theirs.read(&mut seen)).await;
    assert!(early.is_err(), "bytes left before the flush");
    ours.flush().await.unwrap();
    assert_eq!(theirs.read(&mut seen).await.unwrap(), head.len() + 4);
}

#[tokio::test]
async fn nothing_is_kept_in_memory_between_answers() {
    let (mut ours, mut theirs) = pair().await;
    ours.write_all(b"answer").await.unwrap();
    ours.flush().await.unwrap();
    assert_eq!(ours.waiting.capacity(), 0);
    theirs.read_exact(&mut [0; 6]).await.unwrap();
}

#[tokio::test]
async fn pieces_of_every_size_arrive_in_order_also_at_a_slow_reader() {
    let (mut ours, mut theirs) = pair().await;
    let sizes = [
        1, 4_095, 1, 1, 4_096, 4_097, 70_000, 3, 1_000_000, 2_000, 2_096, 1,
    ];
    let bytes: Vec<u8> = (0..sizes.iter().sum())
        .map(|at: usize| (at % 251) as u8)
        .collect();
    let expected = bytes.clone();
    let writing = async move {
        let mut rest = bytes.as_slice();
        for size in sizes {
            let (piece, after) = rest.split_at(size);
            ours.write_all(piece).await.unwrap();
            rest = after;
        }
        AsyncWriteExt::shutdown(&mut ours).await.unwrap();
    };
    let reading = async {
        let mut all = Vec::new();
        let mut piece = vec![0; 10_000];
        loop {
            let count = theirs.read(&mut piece).await.unwrap();
            if count == 0 {
                return all;
            }
            all.extend_from_slice(&piece[..count]);
            tokio::task::yield_now().await;
        }
    };
    let ((), all) = tokio::join!(writing, reading);
    assert!(all == expected);
}

#[tokio::test]
async fn a_peer_that_has_gone_is_an_error_of_the_flush() {
    let (mut ours, theirs) = pair().await;
    drop(theirs);
    let mut failed = false;
    for _ in 0..100 {
        ours.write_all(b"answer").await.ok();
        if ours.flush().await.is_err() {
            failed = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(failed);
}
