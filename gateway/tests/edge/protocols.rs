//! TLS and HTTP/2: the same answers over every way in.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::door::{Door, SECRET, said, settings};

async fn tls_door() -> Door {
    let mut settings = settings();
    settings["tls"] = json!("127.0.0.1:0");
    Door::with(settings).await
}

pub(crate) fn client(door: &Door) -> reqwest::ClientBuilder {
    let certificate = reqwest::Certificate::from_pem(&door.certificate).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([certificate])
        .resolve("localhost", door.handle.tls_addr().unwrap())
}

pub(crate) fn url(door: &Door, path: &str) -> String {
    format!(
        "https://localhost:{}{path}",
        door.handle.tls_addr().unwrap().port()
    )
}

async fn update(client: &reqwest::Client, door: &Door, id: i64) -> reqwest::Response {
    client
        .post(url(door, "/telegram/ops"))
        .header("X-Telegram-Bot-Api-Secret-Token", SECRET)
        .header("Content-Type", "application/json")
        .body(said(id))
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn http_2_and_http_1_are_both_spoken_over_tls() {
    let door = tls_door().await;
    let newest = client(&door).build().unwrap();
    let oldest = client(&door).http1_only().build().unwrap();

    let second = update(&newest, &door, 2).await;
    let first = update(&oldest, &door, 1).await;

    assert_eq!(
        (second.status().as_u16(), second.version()),
        (200, reqwest::Version::HTTP_2)
    );
    assert_eq!(
        (first.status().as_u16(), first.version()),
        (200, reqwest::Version::HTTP_11)
    );
    assert_eq!(second.headers()["x-frame-options"], "deny");
    assert!(second.headers().contains_key("request-id"));
    assert_eq!(door.shelf.stored.lock().len(), 2);
    let stored = door.shelf.stored.lock();
    let server = &stored[0].edge_spans.as_deref().unwrap()[0];
    assert_eq!(
        server
            .attribute("url.scheme")
            .and_then(|value| value.as_str()),
        Some("https")
    );
    assert_eq!(
        server
            .attribute("network.protocol.version")
            .and_then(|value| value.as_str()),
        Some("2")
    );
}

#[tokio::test]
async fn refusals_over_http_2_are_problems_too() {
    let door = tls_door().await;
    let client = client(&door).build().unwrap();

    for (path, status) in [
        ("/nowhere", 404),
        ("/telegram/ops", 405),
        ("/health/status", 401),
        ("/ops//x", 400),
    ] {
        let answer = client.get(url(&door, path)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(
            answer.headers()["content-type"],
            "application/problem+json; charset=utf-8"
        );
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn both_versions_of_tls_work_and_none_before_them() {
    let door = tls_door().await;

    for version in [
        reqwest::tls::Version::TLS_1_2,
        reqwest::tls::Version::TLS_1_3,
    ] {
        let client = client(&door)
            .tls_version_min(version)
            .tls_version_max(version)
            .build()
            .unwrap();
        assert_eq!(
            client
                .get(url(&door, "/health/live"))
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
    }
}

#[tokio::test]
async fn a_drain_lets_http_2_requests_finish() {
    let door = tls_door().await;
    let client = client(&door).build().unwrap();
    door.shelf.holds.store(true, Ordering::SeqCst);

    let (answer, clean) = tokio::join!(update(&client, &door, 1), async {
        door.shelf.asked.notified().await;
        let drained = door.handle.drain();
        door.shelf.released.notify_one();
        drained.await
    });

    assert_eq!(answer.status(), 200);
    assert!(clean);
    assert!(client.get(url(&door, "/health/live")).send().await.is_err());
}

#[tokio::test]
async fn http_2_announces_its_bounds_and_says_goodbye() {
    let door = tls_door().await;
    let mut stream = speak_http_2(&door).await;
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();

    let (kind, settings) = frame(&mut stream).await;
    let ask_goodbye = async {
        let mut kinds = vec![frame(&mut stream).await.0];
        while kinds.last() != Some(&GOAWAY) {
            kinds.push(frame(&mut stream).await.0);
        }
        drop(stream);
    };
    let (clean, ()) = tokio::join!(door.handle.drain(), ask_goodbye);

    assert_eq!(kind, SETTINGS);
    assert_eq!(setting(&settings, MAX_CONCURRENT_STREAMS), Some(100));
    assert_eq!(setting(&settings, MAX_HEADER_LIST_SIZE), Some(32 * 1024));
    assert!(clean);
}

pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const MAX_HEADER_LIST_SIZE: u16 = 6;

pub(crate) type Tls = tokio_rustls::client::TlsStream<TcpStream>;

/// A TLS connection on which HTTP/2 was agreed and nothing has been said.
pub(crate) async fn speak_http_2(door: &Door) -> Tls {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(&door.certificate).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let socket = TcpStream::connect(door.handle.tls_addr().unwrap())
        .await
        .unwrap();
    let name = "localhost".try_into().unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(name, socket).await.unwrap()
}

/// The next frame's type and payload.
pub(crate) async fn frame(stream: &mut Tls) -> (u8, Vec<u8>) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    let [high, middle, low, kind, ..] = head;
    let length = u32::from_be_bytes([0, high, middle, low]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.unwrap();
    (kind, payload)
}

fn setting(payload: &[u8], wanted: u16) -> Option<u32> {
    payload.chunks_exact(6).find_map(|entry| {
        let (id, value) = entry.split_first_chunk::<2>()?;
        let value = u32::from_be_bytes(value.try_into().ok()?);
        (u16::from_be_bytes(*id) == wanted).then_some(value)
    })
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let door = tls_door().await;
    let client = client(&door).build().unwrap();
    let mut open: tokio::task::JoinSet<u16> = tokio::task::JoinSet::new();
    for id in 0..60 {
        let client = client.clone();
        let url = url(&door, "/telegram/ops");
        open.spawn(async move {
            let request = client
                .post(url)
                .header("X-Telegram-Bot-Api-Secret-Token", SECRET)
                .header("Content-Type", "application/json")
                .body(said(id));
            request.send().await.unwrap().status().as_u16()
        });
    }

    let statuses = open.join_all().await;

    assert_eq!(statuses, [200; 60]);
    assert_eq!(door.shelf.stored.lock().len(), 60);
}
