//! A door behind a balancer that only moves bytes: the header says who the client is, and only our own balancer is asked.

use serde_json::{Value, json};

use crate::door::{Client, Door, get, settings};

fn behind(balancers: &str) -> Value {
    let mut settings = settings();
    settings["trusted_peers"] = json!([balancers]);
    settings["proxy_protocol"] = json!(["http", "tls"]);
    settings
}

/// A header of version 2 for this client, with an extension that says nothing.
fn binary(client: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10".to_vec();
    header.extend(client);
    header.extend([127, 0, 0, 1, 0x9c, 0x40, 0x1f, 0x90]);
    header.extend([4, 0, 1, 0]);
    header
}

/// The client's address as the edge noted it for the last request that it refused.
fn noted(door: &Door) -> String {
    let kept = door.kept.0.lock();
    let span = kept.last().unwrap();
    let address = span.attribute("client.address").unwrap();
    address.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_client_that_the_header_names_is_the_client() {
    let door = Door::with(behind("127.0.0.0/8")).await;
    let line = b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 8080\r\n".to_vec();
    let six = b"PROXY TCP6 2001:db8:1:2::7 ::1 40000 8080\r\n".to_vec();

    for (header, client) in [
        (line, "198.51.100.0/24"),
        (six, "2001:db8:1::/48"),
        (binary([203, 0, 113, 9]), "203.0.113.0/24"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.0/24"),
    ] {
        let answer = door
            .ask([header, get("/nowhere").into_bytes()].concat())
            .await;

        answer.is_problem(404, "not-found");
        assert_eq!(noted(&door), client);
    }
}

#[tokio::test]
async fn a_header_that_comes_in_pieces_is_read_and_not_a_byte_more() {
    let door = Door::with(behind("127.0.0.0/8")).await;
    let mut client = door.connect().await;

    for piece in [
        "PROXY TCP4 198.51",
        ".100.7 127.0.0.1 40000 80",
        "80\r",
        "\nGET /health/l",
    ] {
        client.send(piece).await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    client.send("ive HTTP/1.1\r\nHost: edge\r\n\r\n").await;

    assert_eq!(client.answer().await.status, 200);
    client.send(get("/health/live")).await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn without_a_sound_header_there_is_no_answer() {
    let door = Door::with(behind("127.0.0.0/8")).await;
    let mut cut = binary([203, 0, 113, 9]);
    cut[15] = 4;

    for bytes in [
        get("/health/live").into_bytes(),
        b"PROXY TCP4 198.51.100.7 127.0.0.1 40000\r\nGET / HTTP/1.1\r\n".to_vec(),
        [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat(),
        cut,
    ] {
        let mut client = door.connect().await;
        client.send(&bytes).await;

        assert!(client.is_closed().await, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_header_is_believed_from_our_own_balancer_only() {
    let door = Door::with(behind("192.0.2.0/24")).await;
    let mut client = door.connect().await;

    client
        .send("PROXY TCP4 198.51.100.7 127.0.0.1 40000 8080\r\n")
        .await;

    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_header_that_does_not_come_is_not_waited_for() {
    let mut settings = behind("127.0.0.0/8");
    settings["connections"] = json!({"handshake_deadline_ms": 200});
    let door = Door::with(settings).await;
    let mut client = door.connect().await;

    client.send("PROXY TCP4 198.51.100.7 127").await;

    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_client_behind_the_balancer_gets_its_share_of_connections_and_no_more() {
    let mut settings = behind("127.0.0.0/8");
    settings["connections"] = json!({"per_address_max": 2});
    let door = Door::with(settings).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(connect_for(&door, "198.51.100.7").await);
        let client = held.last_mut().unwrap();
        client.send(get("/health/live")).await;
        assert_eq!(client.answer().await.status, 200);
    }

    let mut third = connect_for(&door, "198.51.100.7").await;
    let mut neighbour = connect_for(&door, "198.51.100.8").await;

    assert!(third.is_closed().await);
    neighbour.send(get("/health/live")).await;
    assert_eq!(neighbour.answer().await.status, 200);
}

async fn connect_for(door: &Door, address: &str) -> Client {
    let mut client = door.connect().await;
    client
        .send(format!("PROXY TCP4 {address} 127.0.0.1 40000 8080\r\n"))
        .await;
    client
}

#[tokio::test]
async fn tls_follows_the_header() {
    let mut settings = behind("127.0.0.0/8");
    settings["tls"] = json!("127.0.0.1:0");
    let door = Door::with(settings).await;
    let mut roots = rustls::RootCertStore::empty();
    let certificate = rustls_pki_types::pem::PemObject::from_pem_slice(&door.certificate);
    roots.add(certificate.unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut client = Client(
        tokio::net::TcpStream::connect(door.handle.tls_addr().unwrap())
            .await
            .unwrap(),
    );
    client.send(binary([203, 0, 113, 9])).await;

    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let shaken = connector.connect("localhost".try_into().unwrap(), client.0);

    assert!(shaken.await.is_ok());
}

#[test]
fn a_door_for_balancers_needs_balancers() {
    let settings: sallyport_gateway::Settings =
        serde_json::from_value(json!({"proxy_protocol": ["http"]})).unwrap();

    assert!(validator::Validate::validate(&settings).is_err());
}
