//! Which certificate a client is shown, and how certificates are exchanged while the edge runs.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, date_time_ymd};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sallyport_gateway::{PemPair, PemSet};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::door::{Door, only, pair, pem, settings};

fn with_tls() -> Value {
    let mut settings = settings();
    settings["tls"] = json!("127.0.0.1:0");
    settings
}

/// A client that takes any certificate and remembers it, so that the test can say which it was.
#[derive(Debug)]
struct Looker {
    provider: Arc<CryptoProvider>,
    schemes: Vec<SignatureScheme>,
    seen: Mutex<Option<CertificateDer<'static>>>,
}

impl Looker {
    fn new(schemes: &[SignatureScheme]) -> Arc<Self> {
        Arc::new(Self {
            provider: Arc::new(aws_lc_rs::default_provider()),
            schemes: schemes.to_vec(),
            seen: Mutex::new(None),
        })
    }

    /// Shakes hands, asking for `name` or for none, and returns the certificate that was shown.
    async fn look(
        self: &Arc<Self>,
        address: SocketAddr,
        name: Option<&str>,
    ) -> std::io::Result<CertificateDer<'static>> {
        let mut config = rustls::ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(self) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        config.enable_sni = name.is_some();
        let name = ServerName::try_from(name.unwrap_or("none.test").to_owned()).unwrap();
        let socket = TcpStream::connect(address).await?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        connector.connect(name, socket).await?;
        Ok(self.seen.lock().take().unwrap())
    }
}

impl ServerCertVerifier for Looker {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock() = Some(end_entity.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

const EVERY_SCHEME: [SignatureScheme; 2] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ED25519,
];

/// The certificate that a client is shown who asks for this name.
pub(crate) async fn shown(door: &Door, name: Option<&str>) -> CertificateDer<'static> {
    let address = door.handle.tls_addr().unwrap();
    Looker::new(&EVERY_SCHEME)
        .look(address, name)
        .await
        .unwrap()
}

fn der(pair: &PemPair) -> CertificateDer<'static> {
    use rustls_pki_types::pem::PemObject;
    CertificateDer::from_pem_slice(&pair.chain).unwrap()
}

/// A pair that is good for nothing any more.
fn expired() -> PemPair {
    let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    parameters.not_before = date_time_ymd(2024, 1, 1);
    parameters.not_after = date_time_ymd(2024, 4, 1);
    let signing_key = KeyPair::generate().unwrap();
    let cert = parameters.self_signed(&signing_key).unwrap();
    pem(&rcgen::CertifiedKey { cert, signing_key })
}

#[tokio::test]
async fn each_name_gets_its_certificate_and_everybody_else_the_default() {
    let set = PemSet {
        default: pair(&["localhost"]),
        others: vec![
            pair(&["a.test", "*.a.test"]),
            pair(&["b.test"]),
            pair(&["special.a.test"]),
        ],
    };
    let door = Door::showing(with_tls(), &set).await;

    for (name, expected) in [
        (Some("a.test"), &set.others[0]),
        (Some("www.a.test"), &set.others[0]),
        (Some("WWW.A.TEST"), &set.others[0]),
        (Some("special.a.test"), &set.others[2]),
        (Some("b.test"), &set.others[1]),
        (Some("localhost"), &set.default),
        (Some("www.b.test"), &set.default),
        (Some("x.y.a.test"), &set.default),
        (Some("nobody.test"), &set.default),
        (None, &set.default),
    ] {
        assert!(shown(&door, name).await == der(expected), "{name:?}");
    }
}

#[tokio::test]
async fn a_name_may_have_a_certificate_for_each_kind_of_client() {
    let of_kind = |kind| {
        let signing_key = KeyPair::generate_for(kind).unwrap();
        let parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let cert = parameters.self_signed(&signing_key).unwrap();
        pem(&rcgen::CertifiedKey { cert, signing_key })
    };
    let set = PemSet {
        default: of_kind(&PKCS_ED25519),
        others: vec![of_kind(&PKCS_ECDSA_P256_SHA256)],
    };
    let door = Door::showing(with_tls(), &set).await;
    let address = door.handle.tls_addr().unwrap();

    let newest = Looker::new(&EVERY_SCHEME);
    let older = Looker::new(&[SignatureScheme::ECDSA_NISTP256_SHA256]);

    assert!(newest.look(address, Some("localhost")).await.unwrap() == der(&set.default));
    assert!(older.look(address, Some("localhost")).await.unwrap() == der(&set.others[0]));
}

#[tokio::test]
async fn a_swap_says_what_it_changed_and_leaves_the_rest() {
    let kept = pair(&["kept.test"]);
    let set = PemSet {
        default: pair(&["localhost"]),
        others: vec![clone(&kept)],
    };
    let door = Door::showing(with_tls(), &set).await;
    let next = PemSet {
        default: pair(&["localhost"]),
        others: vec![kept, pair(&["new.test"])],
    };

    let changes = door.certificates.swap(&next).unwrap();
    let again = door.certificates.swap(&next).unwrap();

    let names = |facts: &[sallyport_gateway::CertificateFacts]| {
        let all = facts.iter().flat_map(|facts| facts.names.clone());
        all.collect::<Vec<_>>()
    };
    assert_eq!(names(&changes.added), ["localhost", "new.test"]);
    assert_eq!(names(&changes.removed), ["localhost"]);
    assert!(again.added.is_empty() && again.removed.is_empty());
    assert!(shown(&door, Some("new.test")).await == der(&next.others[1]));
    assert!(shown(&door, None).await == der(&next.default));
}

fn clone(pair: &PemPair) -> PemPair {
    PemPair {
        label: pair.label.clone(),
        names: pair.names.clone(),
        chain: pair.chain.clone(),
        key: pair.key.clone(),
    }
}

#[tokio::test]
async fn a_bad_certificate_is_refused_and_the_old_ones_all_stay() {
    let set = only(pair(&["localhost"]));
    let door = Door::showing(with_tls(), &set).await;
    let mut wrong_key = pair(&["localhost"]);
    wrong_key.key = pair(&["localhost"]).key;
    let mut half = pair(&["localhost"]);
    half.chain.truncate(half.chain.len() / 2);
    let mut uncovered = pair(&["localhost"]);
    uncovered.names = vec!["other.test".to_owned()];

    for bad in [wrong_key, half, uncovered, expired()] {
        // The good one comes first, and must not be taken over alone.
        let next = PemSet {
            default: pair(&["localhost"]),
            others: vec![bad],
        };

        let refused = door.certificates.swap(&next).unwrap_err();

        assert_eq!(refused.label, "chain.pem");
        assert!(shown(&door, None).await == der(&set.default), "{refused:?}");
    }
}

#[tokio::test]
async fn an_expired_certificate_is_better_than_none_at_the_start() {
    let set = only(expired());

    let door = Door::showing(with_tls(), &set).await;

    assert!(shown(&door, None).await == der(&set.default));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_handshake_fails_while_certificates_are_exchanged() {
    let door = Door::with(with_tls()).await;
    let address = door.handle.tls_addr().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let begun = Arc::new(AtomicUsize::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (is_over, begun) = (Arc::clone(&is_over), Arc::clone(&begun));
        clients.spawn(async move {
            let mut seen = HashSet::new();
            while !is_over.load(Ordering::SeqCst) {
                let looker = Looker::new(&EVERY_SCHEME);
                begun.fetch_add(1, Ordering::SeqCst);
                seen.insert(looker.look(address, Some("localhost")).await.unwrap());
            }
            seen
        });
    }

    for _ in 0..20 {
        let before = begun.load(Ordering::SeqCst);
        while begun.load(Ordering::SeqCst) < before + 4 {
            tokio::task::yield_now().await;
        }
        door.certificates.swap(&only(pair(&["localhost"]))).unwrap();
    }
    is_over.store(true, Ordering::SeqCst);

    let all: HashSet<_> = clients.join_all().await.into_iter().flatten().collect();
    assert!(all.len() >= 10, "{} certificates were seen", all.len());
}

#[tokio::test]
async fn how_long_each_certificate_is_good_is_a_metric() {
    let door = Door::showing(with_tls(), &only(pair(&["metric.test"]))).await;
    let value = |series: &str| {
        let text = sallyport_telemetry::metrics::install().render();
        let line = text.lines().find(|line| line.starts_with(series));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    let not_after = |name: &str| {
        value(&format!(
            "sallyport_tls_certificate_not_after_timestamp_seconds{{server_name=\"{name}\"}}"
        ))
    };
    let expected = door.certificates.facts()[0].not_after.as_second() as f64;
    assert_eq!(not_after("metric.test"), Some(expected));

    door.certificates
        .swap(&only(pair(&["after.test"])))
        .unwrap();

    assert!(not_after("metric.test").unwrap().is_nan());
    assert!(not_after("after.test").is_some());
}
