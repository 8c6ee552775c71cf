//! What Mozilla's profiles promise, asked by a client that offers one thing at a time.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::{CipherSuite, NamedGroup, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::door::{Door, settings};

async fn door(profile: &str) -> Door {
    let mut settings = settings();
    settings["tls"] = json!("127.0.0.1:0");
    settings["tls_profile"] = json!(profile);
    Door::with(settings).await
}

/// Shakes hands with what `provider` offers, and says which suite and which key exchange came of it.
async fn agree(
    door: &Door,
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<(CipherSuite, Option<NamedGroup>), std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(&door.certificate).unwrap())
        .unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(door.handle.tls_addr().unwrap()).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector
        .connect("localhost".try_into().unwrap(), socket)
        .await?;
    let (_, connection) = stream.get_ref();
    let group = connection
        .negotiated_key_exchange_group()
        .map(|group| group.name());
    Ok((connection.negotiated_cipher_suite().unwrap().suite(), group))
}

const BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

#[tokio::test]
async fn intermediate_speaks_1_2_and_modern_does_not() {
    let oldest = [&rustls::version::TLS12];

    let provider = aws_lc_rs::default_provider;
    let intermediate = agree(&door("intermediate").await, provider(), &oldest).await;
    let modern = agree(&door("modern").await, provider(), &oldest).await;
    let newest = agree(&door("modern").await, provider(), &BOTH).await;

    assert!(intermediate.is_ok());
    assert!(modern.is_err());
    assert!(newest.is_ok());
}

#[tokio::test]
async fn handshakes_are_measured_by_version_and_outcome() {
    let count = |labels: &str| {
        let text = sallyport_telemetry::metrics::install().render();
        let series = format!("sallyport_tls_handshake_duration_seconds_count{{{labels}}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&series));
        line.map_or(0, |count| count.parse::<u64>().unwrap())
    };
    let door = door("intermediate").await;
    let series = [
        "tls_version=\"1.2\",outcome=\"ok\"",
        "tls_version=\"1.3\",outcome=\"ok\"",
        "outcome=\"failed\"",
    ];
    let before = series.map(count);

    for version in BOTH {
        let provider = aws_lc_rs::default_provider();
        agree(&door, provider, &[version]).await.unwrap();
    }
    reaction(door.handle.tls_addr().unwrap(), b"GET / HTTP/1.1\r\n\r\n").await;
    // When all connections have ended, all have been counted.
    door.handle.drain().await;

    for (series, before) in series.into_iter().zip(before) {
        assert!(count(series) > before, "{series}");
    }
}

#[tokio::test]
async fn the_key_exchange_resists_quantum_computers_where_the_client_can() {
    let door = door("intermediate").await;

    let as_browsers_do = CryptoProvider {
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519],
        ..aws_lc_rs::default_provider()
    };
    let (_, newest) = agree(&door, as_browsers_do, &BOTH).await.unwrap();
    let older = rustls::crypto::ring::default_provider();
    let (_, older) = agree(&door, older, &BOTH).await.unwrap();

    assert_eq!(newest, Some(NamedGroup::X25519MLKEM768));
    assert_eq!(older, Some(NamedGroup::X25519));
}

#[tokio::test]
async fn every_suite_of_the_profile_is_spoken() {
    let door = door("intermediate").await;

    for suite in aws_lc_rs::ALL_CIPHER_SUITES {
        // The door of these tests has no such key.
        let needs_rsa = format!("{suite:?}").contains("_RSA_");
        let provider = CryptoProvider {
            cipher_suites: vec![*suite],
            ..aws_lc_rs::default_provider()
        };
        if needs_rsa {
            continue;
        }

        let versions = [suite.version()];
        let (agreed, _) = agree(&door, provider, &versions).await.unwrap();

        assert_eq!(agreed, suite.suite());
    }
}

/// A ClientHello that names one version and some suites, written by hand, because no library that we link offers such.
fn hello(version: [u8; 2], suites: &[u16]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend(u16::try_from(suites.len() * 2).unwrap().to_be_bytes());
    body.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
    body.extend([1, 0]);
    // supported_groups: X25519, P-256; ec_point_formats: uncompressed; signature_algorithms: RSA and ECDSA with SHA-256.
    let extensions = [
        0, 10, 0, 6, 0, 4, 0, 29, 0, 23, //
        0, 11, 0, 2, 1, 0, //
        0, 13, 0, 6, 0, 4, 4, 3, 4, 1,
    ];
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let mut handshake = vec![1, 0];
    handshake.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    handshake.extend(body);
    let mut record = vec![22, 3, 1];
    record.extend(u16::try_from(handshake.len()).unwrap().to_be_bytes());
    record.extend(handshake);
    record
}

/// The first byte of what the server answers: 22 goes on with the handshake, 21 is an alert.
async fn reaction(address: SocketAddr, hello: &[u8]) -> u8 {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(hello).await.unwrap();
    socket.read_u8().await.unwrap()
}

#[tokio::test]
async fn old_versions_and_weak_suites_are_refused() {
    let door = door("intermediate").await;
    let address = door.handle.tls_addr().unwrap();
    let good = [0xc02b, 0xc02f];
    const HANDSHAKE: u8 = 22;
    const ALERT: u8 = 21;

    assert_eq!(reaction(address, &hello([3, 3], &good)).await, HANDSHAKE);
    for version in [[3, 0], [3, 1], [3, 2]] {
        assert_eq!(
            reaction(address, &hello(version, &good)).await,
            ALERT,
            "{version:?}"
        );
    }
    // Without forward secrecy, without authentication, with CBC, with RC4, with 3DES, with finite fields, with nothing at all.
    for weak in [
        0x009c, 0xc018, 0xc023, 0xc009, 0xc007, 0xc008, 0x009e, 0x0000,
    ] {
        assert_eq!(
            reaction(address, &hello([3, 3], &[weak])).await,
            ALERT,
            "{weak:04x}"
        );
    }
}
