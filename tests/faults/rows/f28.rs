//! F28: certificates that cannot be served, and good ones, are put in place of each other while clients come and stay.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::background::Background;
use crate::crowd::{self, Tls};
use crate::kept;
use crate::row::{Duplicates, LEASE_SETTING, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F28",
    fault: "certificates replaced under 500 requests/s and 50 handshakes/s: expired, another's key, half written, empty; each followed by a good one",
    allowed: "0 failed requests and handshakes; a bad pair is refused, the old one kept and the metric 0; a good pair is live in 5 s",
    duplicates: Duplicates::Never,
    run,
};

const ROUNDS: usize = 5;
const LIVE_WITHIN: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const HANDSHAKE_EVERY: Duration = Duration::from_millis(20);
const METRIC: &str = "sallyport_tls_certificates_last_reload_successful";

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    exchange(stage).boxed_local()
}

/// A way to spoil a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Expired,
    AnothersKey,
    HalfWritten,
    Empty,
}

const FAULTS: [Fault; 4] = [
    Fault::Expired,
    Fault::AnothersKey,
    Fault::HalfWritten,
    Fault::Empty,
];

/// Who signs, and where the edge looks for what was signed.
struct Signer {
    authority: CertifiedIssuer<'static, KeyPair>,
    chain: PathBuf,
    key: PathBuf,
}

/// How a bad pair and the good one after it went.
struct Turn {
    fault: Fault,
    /// Until the metric said that it was refused.
    refused: Option<Duration>,
    /// Whether the old certificate was shown all the time.
    is_kept: bool,
    /// Until a client was shown the good one.
    live: Option<Duration>,
    is_told: bool,
}

async fn exchange(stage: &mut Stage) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::new(folder.path());
    signer.put(&signer.pair(false));
    let (chain, key) = (signer.chain.to_str().unwrap(), signer.key.to_str().unwrap());
    let settings = [
        LEASE_SETTING,
        ("SALLYPORT_TLS_CERTIFICATE", chain),
        ("SALLYPORT_TLS_KEY", key),
    ];
    let mut site = stage.build_with(&settings).await;
    // Where clients of these rows look for whom to trust.
    let trusted = site.outfit.home.path().join("tls/ca.pem");
    std::fs::create_dir_all(trusted.parent().unwrap()).unwrap();
    std::fs::write(trusted, signer.authority.pem()).unwrap();
    let api = format!("127.0.0.1:{}", site.outfit.doors.api);
    site.workers[0].environment = vec![("SALLYPORT_API_LISTEN".to_owned(), api)];
    stage.start(&mut site, "").await;

    let load = kept::clients(&site);
    let newcomers = Newcomers::start(&site);
    waited(|| async { newcomers.shown().is_some() }).await;
    let rounds = if stage.is_short { 1 } else { ROUNDS };
    let mut turns = Vec::new();
    for _ in 0..rounds {
        for fault in FAULTS {
            turns.push(turn(&site, &signer, &newcomers, fault).await);
        }
    }
    let all = load.stop().await;
    let told = kept::told(&site, &all);

    let mut outcome = Outcome::of(site.evidence_of(told).await);
    let failures: Vec<&String> = all
        .iter()
        .filter_map(|asked| asked.came_to.as_ref().err())
        .collect();
    let first = failures.first().map_or("", |failure| failure.as_str());
    let words = format!(
        "failed requests {} of {} {first}",
        failures.len(),
        all.len()
    );
    outcome.check(words, failures.is_empty());
    newcomers.check(&mut outcome);
    for fault in FAULTS {
        check_turns(&mut outcome, &turns, fault);
    }
    outcome
}

/// A bad pair is put in place, and then a good one.
async fn turn(site: &Site, signer: &Signer, newcomers: &Newcomers, fault: Fault) -> Turn {
    let before = newcomers.shown();
    signer.spoil(fault);
    let refused = waited(|| async { says(site, 0.0).await }).await;
    let is_kept = newcomers.shown() == before;
    let good = signer.pair(false);
    let wanted = CertificateDer::from_pem_slice(good.0.as_bytes()).unwrap();
    signer.put(&good);
    let live = waited(|| async { newcomers.shown().as_ref() == Some(&wanted) }).await;
    let is_told = waited(|| async { says(site, 1.0).await }).await.is_some();
    Turn {
        fault,
        refused,
        is_kept,
        live,
        is_told,
    }
}

/// Whether the metric has this value.
async fn says(site: &Site, value: f64) -> bool {
    let told = site.gateway.metric(&site.client, METRIC).await;
    told.is_some_and(|told| (told - value).abs() < 0.5)
}

/// How long it takes until this is so.
async fn waited<F: Future<Output = bool>>(is_so: impl Fn() -> F) -> Option<Duration> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if is_so().await {
            return Some(began.elapsed());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    None
}

fn check_turns(outcome: &mut Outcome, turns: &[Turn], fault: Fault) {
    let turns: Vec<&Turn> = turns.iter().filter(|turn| turn.fault == fault).collect();
    let longest = |time: fn(&Turn) -> Option<Duration>| {
        let times: Option<Vec<Duration>> = turns.iter().map(|turn| time(turn)).collect();
        times.and_then(|times| times.into_iter().max())
    };
    let (refused, live) = (longest(|turn| turn.refused), longest(|turn| turn.live));
    let is_kept = turns.iter().all(|turn| turn.is_kept && turn.is_told);
    let old = if is_kept { "kept" } else { "NOT kept" };
    outcome.check(
        format!(
            "{} × {fault:?}: metric 0 after {}, the old one {old}; the good one after it live after {} (5 s)",
            turns.len(),
            spell(refused),
            spell(live)
        ),
        is_kept && refused.is_some() && live.is_some_and(|live| live < LIVE_WITHIN),
    );
}

impl Signer {
    fn new(folder: &Path) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap());
        Self {
            authority: authority.unwrap(),
            chain: folder.join("chain.pem"),
            key: folder.join("key.pem"),
        }
    }

    /// A chain and its key, valid now or no more.
    fn pair(&self, is_expired: bool) -> (String, String) {
        let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2024, 1, 1);
        parameters.not_after = date_time_ymd(if is_expired { 2025 } else { 2040 }, 1, 1);
        let key = KeyPair::generate().unwrap();
        let signed = parameters.signed_by(&key, &self.authority).unwrap();
        (signed.pem(), key.serialize_pem())
    }

    /// Writes a pair, one file after the other, as most tools do.
    fn put(&self, (chain, key): &(String, String)) {
        std::fs::write(&self.key, key).unwrap();
        std::fs::write(&self.chain, chain).unwrap();
    }

    fn spoil(&self, fault: Fault) {
        let (chain, key) = self.pair(false);
        let half = chain.chars().take(chain.len() / 2).collect();
        let pair = match fault {
            Fault::Expired => self.pair(true),
            Fault::AnothersKey => (chain, KeyPair::generate().unwrap().serialize_pem()),
            Fault::HalfWritten => (half, key),
            Fault::Empty => (String::new(), key),
        };
        self.put(&pair);
    }
}

/// Clients that come, shake hands, note what they were shown, and leave.
struct Newcomers {
    seen: Arc<Mutex<Seen>>,
    count: Arc<AtomicUsize>,
    _coming: Background,
}

#[derive(Default)]
struct Seen {
    last: Option<CertificateDer<'static>>,
    failures: Vec<String>,
}

impl Newcomers {
    fn start(site: &Site) -> Self {
        let tls = Tls::trusting(site.outfit.home.path(), b"http/1.1");
        let port = site.outfit.doors.tls;
        let (seen, count): (Arc<Mutex<Seen>>, Arc<AtomicUsize>) = Default::default();
        let (noting, counting) = (Arc::clone(&seen), Arc::clone(&count));
        let coming = Background::start(async move {
            let mut beat = tokio::time::interval(HANDSHAKE_EVERY);
            loop {
                beat.tick().await;
                counting.fetch_add(1, Ordering::Relaxed);
                let shown = shown(&tls, port).await;
                let mut seen = noting.lock();
                match shown {
                    Ok(certificate) => seen.last = Some(certificate),
                    Err(error) => seen.failures.push(error.to_string()),
                }
            }
        });
        Self {
            seen,
            count,
            _coming: coming,
        }
    }

    /// What the last one was shown.
    fn shown(&self) -> Option<CertificateDer<'static>> {
        self.seen.lock().last.clone()
    }

    fn check(&self, outcome: &mut Outcome) {
        let failures = &self.seen.lock().failures;
        let first = failures.first().map_or("", String::as_str);
        let count = self.count.load(Ordering::Relaxed);
        let words = format!("failed handshakes {} of {count} {first}", failures.len());
        outcome.check(words, failures.is_empty());
    }
}

async fn shown(tls: &Tls, port: u16) -> std::io::Result<CertificateDer<'static>> {
    let stream = tls.shake(crowd::dial(0, port, false).await?).await?;
    let (_, session) = stream.get_ref();
    let chain = session.peer_certificates().unwrap_or_default();
    let first = chain
        .first()
        .map(|certificate| certificate.clone().into_owned());
    first.ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}
