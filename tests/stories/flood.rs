//! Forged webhooks by the thousand: prepared bytes over kept connections, because the flood shares two cores with the house.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came of a flood.
#[derive(Debug, Default)]
pub(crate) struct Flooded {
    /// Requests that got an answer.
    pub(crate) answered: u64,
    /// Answers that were a 2xx; there must be none.
    pub(crate) let_in: u64,
    /// How long it lasted.
    pub(crate) lasted: Duration,
}

/// Posts updates with a wrong secret from so many connections for so long.
pub(crate) async fn forge(port: u16, connections: usize, lasting: Duration) -> Flooded {
    let began = Instant::now();
    let forgers = (0..connections).map(|_| forger(port, began + lasting));
    let mut all = Flooded::default();
    for one in futures::future::join_all(forgers).await {
        all.answered += one.answered;
        all.let_in += one.let_in;
    }
    all.lasted = began.elapsed();
    all
}

async fn forger(port: u16, until: Instant) -> Flooded {
    let request = b"POST /telegram/ops HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nX-Telegram-Bot-Api-Secret-Token: forged\r\nContent-Length: 15\r\n\r\n{\"update_id\":1}";
    let mut seen = Flooded::default();
    let mut answer = vec![0_u8; 16 * 1024];
    while Instant::now() < until {
        // The edge may close a forger's connection after a refusal; then the next one is opened.
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else {
            continue;
        };
        while Instant::now() < until && stream.write_all(request).await.is_ok() {
            let Some(count) = read_answer(&mut stream, &mut answer).await else {
                break;
            };
            seen.answered += 1;
            seen.let_in += u64::from(answer.starts_with(b"HTTP/1.1 2"));
            debug_assert!(count > 0);
        }
    }
    seen
}

/// Reads one answer with a Content-Length; `None` when the connection ended before it was whole.
async fn read_answer(stream: &mut TcpStream, answer: &mut [u8]) -> Option<usize> {
    let mut filled = 0;
    loop {
        let count = stream.read(answer.get_mut(filled..)?).await.ok()?;
        if count == 0 {
            return None;
        }
        filled += count;
        let text = std::str::from_utf8(answer.get(..filled)?).ok()?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, length)| length.trim().parse::<usize>().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some(filled);
        }
    }
}
