//! The providers' own libraries judge our signatures, and we judge theirs. `make test` prepares Python with these libraries.

#![expect(
    clippy::disallowed_methods,
    reason = "a test is told by the environment where its Python is"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test a panic is the report"
)]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};
use sallyport_security::Secret;
use sallyport_sources::Source;
use serde::{Deserialize, Serialize};

/// A request, as it goes to and from `tests/peers/webhook_signatures.py`.
#[derive(Debug, Deserialize, Serialize)]
struct Request {
    source: String,
    /// What it is signed with.
    secret: String,
    /// What it is verified with.
    key: String,
    head: BTreeMap<String, String>,
    body: String,
}

impl Request {
    fn source(&self) -> Source {
        serde_json::from_value(self.source.clone().into()).unwrap()
    }

    fn head(&self) -> HeaderMap {
        let fields = self.head.iter().map(|(name, value)| {
            let name = HeaderName::try_from(name).unwrap();
            (name, HeaderValue::try_from(value).unwrap())
        });
        fields.collect()
    }

    /// The same body, signed by us.
    fn signed_by_us(self) -> Self {
        let secret = Secret::from(self.secret.as_str());
        let body = self.body.as_bytes();
        let head = self
            .source()
            .sign(&secret, "msg_1", body, SystemTime::now());
        let head = head.unwrap();
        let field = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        Self {
            head: head.iter().map(field).collect(),
            ..self
        }
    }
}

#[test]
fn what_the_providers_libraries_sign_is_believed_and_nothing_else() {
    let requests = requests();
    assert_eq!(requests.len(), 16);
    for request in requests {
        let keys = [Secret::from(request.key.as_str())];
        let provider = request.source().provider(&keys).unwrap();
        let verify =
            |body: &str| provider.verify(&request.head(), body.as_bytes(), SystemTime::now());

        assert_eq!(verify(&request.body), Ok(()), "{request:?}");
        let mut changed = request.body.clone();
        changed.push(' ');
        assert!(verify(&changed).is_err(), "{request:?}");
    }
}

#[test]
fn what_we_sign_is_believed_by_the_providers_libraries() {
    let lines: String = requests()
        .into_iter()
        .map(|request| serde_json::to_string(&request.signed_by_us()).unwrap() + "\n")
        .collect();

    let mut judge = python("verify")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = judge.stdin.take().unwrap();
    input.write_all(lines.as_bytes()).unwrap();
    drop(input);
    let output = judge.wait_with_output().unwrap();

    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

/// Requests as the libraries sign them, now.
fn requests() -> Vec<Request> {
    let output = python("sign").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn python(verb: &str) -> Command {
    let python = std::env::var("SALLYPORT_TEST_PYTHON")
        .expect("`make test` prepares python and sets SALLYPORT_TEST_PYTHON");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/peers/webhook_signatures.py"
    );
    let mut command = Command::new(python);
    command.arg(script).arg(verb);
    command
}
