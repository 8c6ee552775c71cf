//! An authority that we did not write, pebble, looks at the doors and gives certificates.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sallyport_gateway::{Acme, CertificateFacts, Challenges, PemPair, PemSet, Settings};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::certificates::shown;
use crate::door::{Door, get, only, pair, settings};

/// An authority needs a moment to start, and another to look.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pebble, and the name server that says that every name is here.
struct Authority {
    directory_url: String,
    root_file: PathBuf,
    home: tempfile::TempDir,
    _processes: [Child; 2],
}

impl Authority {
    /// `http` and `tls` are where it looks in place of 80 and 443; its certificates are good for `seconds`.
    async fn start(http: u16, tls: u16, seconds: u32) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = home.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let door = pair(&["localhost"]);
        let root_file = file("door.pem", &door.chain);
        let key_file = file("door.key", &door.key);
        let [port, management, names] = [free_port(), free_port(), free_port()];
        let config = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": root_file,
            "privateKey": key_file,
            "httpPort": http,
            "tlsPort": tls,
            "retryAfter": {"authz": 1, "order": 1},
            "profiles": {"default": {"description": "short", "validityPeriod": seconds}},
        }});
        let config = file("pebble.json", config.to_string().as_bytes());
        let (name_port, management_port) = (names, free_port());
        let names = format!("127.0.0.1:{name_port}");
        let management = format!("127.0.0.1:{management_port}");
        let off = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""];
        let server = [
            "-defaultIPv6",
            "",
            "-dns01",
            &names,
            "-management",
            &management,
        ];
        let processes = [
            program("pebble-challtestsrv", &[&off[..], &server].concat()),
            program(
                "pebble",
                &[
                    "-config",
                    &config.display().to_string(),
                    "-dnsserver",
                    &names,
                ],
            ),
        ];
        // A name that cannot be looked up yet is a failure, too, after which is asked again in minutes.
        for listening in [port, name_port, management_port] {
            answers(listening).await;
        }
        Self {
            directory_url: format!("https://localhost:{port}/dir"),
            root_file,
            home,
            _processes: processes,
        }
    }
}

/// Starts one of pebble's programs.
pub(crate) fn program(name: &str, arguments: &[&str]) -> Child {
    #[expect(clippy::disallowed_methods, reason = "a test has no other settings")]
    let programs = std::env::var("SALLYPORT_TEST_PEBBLE")
        .expect("`make test` installs pebble and sets SALLYPORT_TEST_PEBBLE");
    Command::new(Path::new(&programs).join(name))
        .args(arguments)
        .env("PEBBLE_VA_NOSLEEP", "1")
        // Whether a nonce that is refused at random is asked for again is the library's affair.
        .env("PEBBLE_WFE_NONCEREJECT", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("`make test` installs pebble")
}

/// Waits until somebody listens: who finds nobody there asks again in minutes.
pub(crate) async fn answers(port: u16) {
    let listens = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, listens).await.unwrap();
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// An edge that asks a pebble, and what watches its files.
struct Site {
    door: Door,
    _authority: Authority,
    file: PathBuf,
    settings: Settings,
    stop: CancellationToken,
    tasks: TaskTracker,
}

const NAMES: [&str; 2] = ["a.test", "www.a.test"];

impl Site {
    async fn open(challenge: &str, seconds: u32) -> Self {
        // As the binary does.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let [http, tls] = [free_port(), free_port()];
        let authority = Authority::start(http, tls, seconds).await;
        let mut settings = settings();
        settings["http"] = json!(format!("127.0.0.1:{http}"));
        settings["tls"] = json!(format!("127.0.0.1:{tls}"));
        settings["http_serves"] = json!("redirects");
        settings["acme"] = acme(&authority, challenge);
        let door = Door::showing(settings.clone(), &only(pair(&["localhost"]))).await;
        let settings: Settings = serde_json::from_value(settings).unwrap();
        let folder = authority.home.path().join("kept");
        let file = Acme::files(&settings.acme, folder).remove(0);
        let site = Self {
            door,
            _authority: authority,
            file,
            settings,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        site.ask();
        site
    }

    /// Starts asking, as a process does that starts.
    fn ask(&self) {
        let folder = self.file.parent().unwrap().to_owned();
        let acme = Acme::new(&self.settings.acme, folder, self.door.challenges.clone());
        self.tasks.spawn(acme.run(self.stop.clone()));
    }

    /// Waits for a certificate other than this one, and serves it as the binary does.
    async fn next(&self, before: Option<&CertificateFacts>) -> CertificateFacts {
        let serve = async {
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let Ok(whole) = std::fs::read(&self.file) else {
                    continue;
                };
                let given = PemPair {
                    label: String::new(),
                    names: Vec::new(),
                    chain: whole.clone(),
                    key: whole,
                };
                let others = vec![given];
                let default = pair(&["localhost"]);
                self.door
                    .certificates
                    .swap(&PemSet { default, others })
                    .unwrap();
                let facts = self.door.certificates.facts().remove(1);
                if Some(&facts) != before {
                    return facts;
                }
            }
        };
        tokio::time::timeout(PATIENCE, serve).await.unwrap()
    }

    /// What a client is shown, as it lies in the file.
    async fn serves_the_file(&self) -> bool {
        let given = CertificateDer::from_pem_file(&self.file).unwrap();
        shown(&self.door, Some("www.a.test")).await == given
    }
}

fn acme(authority: &Authority, challenge: &str) -> Value {
    json!({
        "directory_url": authority.directory_url,
        "root_file": authority.root_file,
        "contacts": ["mailto:ops@a.test"],
        "terms_agreed": true,
        "challenge": challenge,
        "certificates": [NAMES],
    })
}

fn is_for_all_names(facts: &CertificateFacts) -> bool {
    let mut names = facts.names.clone();
    names.sort();
    names == NAMES
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn over_http_a_certificate_is_given_kept_and_renewed() {
    let site = Site::open("http_01", 20).await;

    let first = site.next(None).await;
    assert!(is_for_all_names(&first));
    assert!(site.serves_the_file().await);
    assert_eq!(mode(&site.file), 0o600);
    assert_eq!(mode(&site.file.with_file_name("account.json")), 0o600);

    let second = site.next(Some(&first)).await;
    assert!(site.serves_the_file().await);
    let life = first.not_after.duration_since(first.not_before);
    let apart = second.not_before.duration_since(first.not_before);
    assert!(apart < life && apart > life / 2, "{apart} of {life}");

    // What was shown to the authority is there no more, and programs are still refused.
    let asked = "/.well-known/acme-challenge/anything";
    assert_eq!(site.door.ask(get(asked)).await.status, 404);
    assert_eq!(site.door.ask(get("/ops/queue")).await.status, 403);
    site.stop.cancel();
}

#[tokio::test]
async fn in_a_handshake_a_certificate_is_given_and_a_restart_asks_for_no_other() {
    let site = Site::open("tls_alpn_01", 7_776_000).await;

    let first = site.next(None).await;
    assert!(is_for_all_names(&first));
    assert!(site.serves_the_file().await);

    site.stop.cancel();
    site.tasks.close();
    site.tasks.wait().await;
    let before = std::fs::read(&site.file).unwrap();
    let again = Site {
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
        ..site
    };
    again.ask();
    tokio::time::sleep(Duration::from_secs(2)).await;

    assert_eq!(std::fs::read(&again.file).unwrap(), before);
    again.stop.cancel();
}

#[tokio::test]
async fn an_authority_that_is_not_there_is_counted_and_changes_nothing() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let home = tempfile::tempdir().unwrap();
    let settings = serde_json::from_value(json!({
        "directory_url": format!("https://localhost:{}/dir", free_port()),
        "terms_agreed": true,
        "certificates": [NAMES],
    }));
    let stop = CancellationToken::new();
    let acme = Acme::new(
        &settings.unwrap(),
        home.path().join("kept"),
        Challenges::default(),
    );
    let tasks = TaskTracker::new();
    tasks.spawn(acme.run(stop.clone()));

    let failed = || {
        let text = sallyport_telemetry::metrics::install().render();
        let series = "sallyport_acme_orders_total{outcome=\"failed\"} ";
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.is_some_and(|count| count != "0")
    };
    let told = async {
        while !failed() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap();

    stop.cancel();
    tasks.close();
    tasks.wait().await;
    assert!(!home.path().join("kept").exists());
}
