//! Frames of HTTP/2 that carry nothing, and those that are never finished.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use crate::door::{Door, settings};
use crate::protocols::{GOAWAY, SETTINGS, Tls, frame, speak_http_2};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const UNKNOWN: u8 = 0xbe;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// "Be calm" (RFC 9113, section 7).
const ENHANCE_YOUR_CALM: u32 = 11;

async fn door(connections: serde_json::Value) -> Door {
    let mut settings = settings();
    settings["tls"] = json!("127.0.0.1:0");
    settings["connections"] = connections;
    Door::with(settings).await
}

fn framed(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags, 0, 0, 0, stream]);
    bytes.extend(payload);
    bytes
}

/// A connection on which a client has said its preface and its settings.
async fn begun(door: &Door) -> Tls {
    let mut stream = speak_http_2(door).await;
    let settings = framed(SETTINGS, 0, 0, &[]);
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..]].concat();
    stream.write_all(&preface).await.unwrap();
    stream
}

/// Why the edge says goodbye.
async fn goodbye(stream: &mut Tls) -> u32 {
    loop {
        let (kind, payload) = frame(stream).await;
        if kind == GOAWAY {
            return u32::from_be_bytes(payload[4..8].try_into().unwrap());
        }
    }
}

#[tokio::test]
async fn whoever_floods_with_frames_that_carry_nothing_is_told_to_be_calm() {
    let door = door(json!({"control_frames_per_second_max": 20})).await;

    for (kind, payload) in [
        (PING, &b"anybody?"[..]),
        (SETTINGS, &[0, 4, 0, 1, 0, 0]),
        (WINDOW_UPDATE, &[0, 0, 0, 1]),
        (UNKNOWN, &[]),
    ] {
        let mut stream = begun(&door).await;
        stream
            .write_all(&framed(kind, 0, 0, payload).repeat(100))
            .await
            .unwrap();

        let reason = timeout(Duration::from_secs(1), goodbye(&mut stream)).await;

        assert_eq!(reason, Ok(ENHANCE_YOUR_CALM), "kind {kind}");
    }
}

#[tokio::test]
async fn a_few_of_them_are_nobodys_flood() {
    let door = door(json!({"control_frames_per_second_max": 20})).await;
    let mut stream = begun(&door).await;
    for _ in 0..15 {
        stream
            .write_all(&framed(PING, 0, 0, b"anybody?"))
            .await
            .unwrap();
    }

    let mut pongs = 0;
    while pongs < 15 {
        let (kind, _) = frame(&mut stream).await;
        assert_ne!(kind, GOAWAY);
        pongs += usize::from(kind == PING);
    }
}

#[tokio::test]
async fn a_header_block_that_is_never_finished_ends_its_connection() {
    let door = door(json!({"head_deadline_ms": 300})).await;
    let mut stream = begun(&door).await;
    // Its one field is whole; that it was the last is never said.
    stream
        .write_all(&framed(HEADERS, 0, 1, &[0x82]))
        .await
        .unwrap();
    let began = Instant::now();

    let mut rest = Vec::new();
    let ended = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest);

    // With a goodbye or without: it ends.
    assert!(timeout(Duration::from_secs(3), ended).await.is_ok());
    assert!(began.elapsed() >= Duration::from_millis(250));
}

#[tokio::test]
async fn an_answer_for_which_there_is_no_window_is_given_up() {
    let door = door(json!({"write_deadline_ms": 300})).await;
    let mut stream = begun(&door).await;
    let no_window = framed(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let mut block = vec![0x82, 0x87];
    for (name, value) in [(4, "/problems/not-found"), (1, "localhost")] {
        block.extend([name, u8::try_from(value.len()).unwrap()]);
        block.extend(value.as_bytes());
    }
    let request = framed(HEADERS, END_HEADERS | END_STREAM, 1, &block);
    stream
        .write_all(&[no_window, request].concat())
        .await
        .unwrap();

    // Without a window data can only be the end of its stream.
    let given_up = async { while !matches!(frame(&mut stream).await.0, DATA | RST_STREAM) {} };

    assert!(timeout(Duration::from_secs(3), given_up).await.is_ok());
}
