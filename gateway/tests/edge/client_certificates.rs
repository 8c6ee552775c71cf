//! Client certificates: which of them open a route, and that nothing gets past it.

use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::door::{Door, checked, get, settings};
use crate::protocols::{client, url};
use crate::upstream::{FINE, Upstream};

/// Somebody who signs certificates.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, as a client has them; and nothing, for who has none.
type Identity = Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>;

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self {
            pem: params.self_signed(&key).unwrap().pem(),
            issuer: Issuer::new(params, key),
        }
    }

    fn client(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        Some((made.der().clone(), key))
    }

    fn good(&self) -> Identity {
        self.client("robot.example.org", |_| ())
    }
}

/// Settings in which `/ops/*` asks for a certificate of these authorities, and the other routes do not.
fn asking(file: &Path, upstream: &str, names: &Value) -> Value {
    let mut settings = settings();
    settings["tls"] = json!("127.0.0.1:0");
    settings["routes"][4]["forward"]["upstream"] = json!(upstream);
    settings["routes"][4]["client_certificate"] = json!({"authorities": file, "names": names});
    settings
}

/// An edge before an upstream that says yes, and the file of its authorities.
struct House {
    door: Door,
    upstream: Upstream,
    folder: tempfile::TempDir,
}

impl House {
    async fn trusting(authorities: &[&Authority], names: Value) -> Self {
        let upstream = Upstream::answering(Some(FINE)).await;
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("ca.pem"), authorities);
        let settings = asking(&folder.path().join("ca.pem"), &upstream.address, &names);
        let door = Door::with(settings).await;
        Self {
            door,
            upstream,
            folder,
        }
    }

    /// How a client with this identity shakes hands.
    fn client(&self, identity: &Identity) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let own = CertificateDer::from_pem_slice(&self.door.certificate).unwrap();
        roots.add(own).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        match identity {
            Some((chain, key)) => {
                let chain = vec![chain.clone()];
                config
                    .with_client_auth_cert(chain, key.clone_key())
                    .unwrap()
            }
            None => config.with_no_client_auth(),
        }
    }

    /// The status and body of each of these paths, asked on one connection, and how its handshake was.
    async fn ask(
        &self,
        config: &Arc<ClientConfig>,
        paths: &[&str],
    ) -> (HandshakeKind, Vec<(u16, String)>) {
        let socket = TcpStream::connect(self.door.handle.tls_addr().unwrap())
            .await
            .unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
        let mut stream = connector.connect(name, socket).await.unwrap();
        let mut answers = Vec::new();
        for path in paths {
            stream.write_all(get(path).as_bytes()).await.unwrap();
            let mut bytes = Vec::new();
            let whole = loop {
                assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "cut");
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let head = head.to_ascii_lowercase();
                    let length = head
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: "));
                    if body.len() >= length.unwrap().parse::<usize>().unwrap() {
                        break text;
                    }
                }
            };
            answers.push((whole.get(9..12).unwrap().parse().unwrap(), whole));
        }
        let kind = stream.get_ref().1.handshake_kind().unwrap();
        (kind, answers)
    }

    async fn status(&self, identity: &Identity) -> (u16, String) {
        let config = Arc::new(self.client(identity));
        self.ask(&config, &["/ops/queue"]).await.1.remove(0)
    }
}

fn write(file: &Path, authorities: &[&Authority]) {
    let all: Vec<_> = authorities
        .iter()
        .map(|authority| authority.pem.as_str())
        .collect();
    std::fs::write(file, all.join("\n")).unwrap();
}

#[tokio::test]
async fn a_route_opens_for_certificates_of_its_authorities_and_says_what_is_wrong_with_others() {
    let (ours, others) = (Authority::new("ours"), Authority::new("others"));
    let mut house = House::trusting(&[&ours], json!(["robot.example.org"])).await;

    assert_eq!(house.status(&ours.good()).await.0, 200);
    assert!(house.upstream.asked.recv().await.is_some());
    let expired = ours.client("robot.example.org", |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 2, 1);
    });
    let early = ours.client("robot.example.org", |params| {
        params.not_before = date_time_ymd(2100, 1, 1)
    });
    let server = ours.client("robot.example.org", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    for (identity, words) in [
        (None, "none was shown"),
        (expired, "has expired"),
        (early, "not valid yet"),
        (others.good(), "no authority"),
        (
            ours.client("other.example.org", |_| ()),
            "none of the names",
        ),
        (ours.client("*.example.org", |_| ()), "none of the names"),
        (server, "cannot be used"),
    ] {
        let (status, answer) = house.status(&identity).await;
        assert_eq!(status, 403, "{words}: {answer}");
        assert!(
            answer.contains("client-certificate-needed") && answer.contains(words),
            "{answer}"
        );
    }
    assert!(house.upstream.asked.try_recv().is_err());
}

#[tokio::test]
async fn the_other_routes_and_plain_http_are_as_they_were() {
    let ours = Authority::new("ours");
    let house = House::trusting(&[&ours], json!([])).await;
    let stranger = Authority::new("others").good();

    for identity in [None, stranger, ours.good()] {
        let config = Arc::new(house.client(&identity));
        let (_, answers) = house
            .ask(&config, &["/health/live", "/problems/not-found"])
            .await;
        assert!(
            answers.iter().all(|(status, _)| *status == 200),
            "{answers:?}"
        );
    }
    // Without TLS nobody can show anything.
    let plain = house.door.ask(get("/ops/queue")).await;
    plain.is_problem(403, "client-certificate-needed");
}

#[tokio::test]
async fn neither_a_kept_connection_nor_a_resumed_session_outlives_an_authority() {
    let (before, after) = (Authority::new("before"), Authority::new("after"));
    let house = House::trusting(&[&before], json!([])).await;
    let mut config = house.client(&before.good());
    config.resumption = Resumption::in_memory_sessions(8);
    let config = Arc::new(config);

    let (first, answers) = house.ask(&config, &["/ops/queue"]).await;
    assert_eq!((first, answers[0].0), (HandshakeKind::Full, 200));
    let (second, answers) = house.ask(&config, &["/health/live", "/ops/queue"]).await;
    assert_eq!((second, answers[1].0), (HandshakeKind::Resumed, 200));

    let file = house.folder.path().join("ca.pem");
    write(&file, &[&after]);
    let settings = asking(&file, &house.upstream.address, &json!([]));
    let changes = house.door.handle.reload(&checked(settings)).unwrap();

    assert_eq!(changes.applied, ["~/ops/*"]);
    let (third, answers) = house.ask(&config, &["/health/live", "/ops/queue"]).await;
    assert_eq!(
        (third, answers[0].0, answers[1].0),
        (HandshakeKind::Resumed, 200, 403)
    );
    assert_eq!(house.status(&after.good()).await.0, 200);
}

/// A connection that was opened for a page without a certificate is used for all that HTTP/2 sends to the host.
#[tokio::test]
async fn a_connection_of_http_2_that_was_opened_for_something_else_does_not_open_the_route() {
    let ours = Authority::new("ours");
    let house = House::trusting(&[&ours], json!([])).await;
    let client = client(&house.door).build().unwrap();
    let ask = async |path: &str| client.get(url(&house.door, path)).send().await.unwrap();

    let page = ask("/health/live").await;
    let refused = ask("/ops/queue").await;

    assert_eq!(
        (page.version(), page.status().as_u16()),
        (reqwest::Version::HTTP_2, 200)
    );
    assert_eq!(
        (refused.version(), refused.status().as_u16()),
        (reqwest::Version::HTTP_2, 403)
    );
}
