//! F39: access tokens that must not be believed, shown at the door of a house that works meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use sallyport_security::access_token::corpus::Issuer;
use serde_json::{Value, json};

use crate::outfit::WEBHOOK_SECRET;
use crate::row::{Duplicates, LEASE_SETTING, Outcome, Row, Stage};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F39",
    fault: "access tokens: none, others' algorithms and keys, kid and jku of their own, wrong aud, iss and typ, times that are none or \
            over, doubled, cut, huge",
    allowed: "all refused with 401 and one and the same body; good ones pass; no token in any log",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// Reading what a worker measures needs no token of its own, so it can stand behind a route that asks for one.
const PATH: &str = "/metrics";
/// How often all of them are shown at full length.
const ROUNDS: usize = 20;
const SHORT_ROUNDS: usize = 2;

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    show(stage).boxed_local()
}

async fn show(stage: &mut Stage) -> Outcome {
    let issuer = Issuer::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().to_str().unwrap().to_owned();
    let mut site = stage
        .build_with(&[LEASE_SETTING, ("SALLYPORT_CONFIG", &config)])
        .await;
    let settings = edge(&site, &issuer).to_string();
    std::fs::write(folder.path().join("gateway.yaml"), settings).unwrap();
    stage.start(&mut site, "").await;
    let load = site.load(stage.base);

    let rounds = if stage.is_short { SHORT_ROUNDS } else { ROUNDS };
    let (mut shown, mut let_in, mut bodies) = (Vec::new(), Vec::new(), BTreeSet::new());
    for _ in 0..rounds {
        for bad in issuer.corpus() {
            let (status, body) = ask(&site, &bad.token).await;
            if status != 401 {
                let_in.push(format!("{}: {status}", bad.name));
            }
            bodies.insert(body);
            shown.push(bad.token);
        }
    }
    let mut kept_out = Vec::new();
    for (name, token) in issuer.good_ones() {
        let (status, _) = ask(&site, &token).await;
        if status != 200 {
            kept_out.push(format!("{name}: {status}"));
        }
        shown.push(token);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let log = site.gateway.log(&site.outfit);
    let told = shown.iter().filter(|token| is_told(&log, token)).count();

    let mut outcome = Outcome::of(site.evidence(load).await);
    outcome.fact(format!("{} tokens shown", shown.len()));
    let words = format!("bad ones that were let in: {}", let_in.join(", "));
    outcome.check(words, let_in.is_empty());
    let words = format!("good ones that were not: {}", kept_out.join(", "));
    outcome.check(words, kept_out.is_empty());
    let words = format!("different bodies of 401: {}", bodies.len());
    outcome.check(words, bodies.len() == 1);
    outcome.check(format!("tokens in the edge's log: {told}"), told == 0);
    outcome
}

/// The route of the load, and one that asks for tokens. An address may be refused as often as the row needs.
fn edge(site: &Site, issuer: &Issuer) -> Value {
    let bot = json!({"name": "ops", "secrets": [WEBHOOK_SECRET]});
    let often = json!({"requests": 1_000_000, "window_seconds": 60});
    let upstream = site.workers[0].door("");
    let upstream = upstream.trim_start_matches("http://").trim_end_matches('/');
    json!({
        "http": format!("127.0.0.1:{}", site.outfit.doors.http),
        "tls": format!("127.0.0.1:{}", site.outfit.doors.tls),
        "strangers": {"failures": often, "unverified": often},
        "routes": [
            {"path": "/telegram/{bot}", "accept": {"source": "telegram", "bots": [bot]}},
            {"path": PATH, "forward": {"upstream": upstream, "access_token": issuer.settings()}},
        ],
    })
}

/// The status, and the body without what differs from request to request.
async fn ask(site: &Site, token: &str) -> (u16, String) {
    let url = format!("http://127.0.0.1:{}{PATH}", site.outfit.doors.http);
    let asked = site
        .client
        .get(url)
        .header("Authorization", format!("Bearer {token}"));
    let answer = asked.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    let mut body: Value = serde_json::from_str(&text).unwrap_or_default();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("trace_id");
        fields.remove("code");
    }
    (status, body.to_string())
}

/// Whether the part that nobody could guess stands in the log. Short ones stand everywhere.
fn is_told(log: &str, token: &str) -> bool {
    let secret = token.rsplit('.').next().unwrap_or_default();
    secret.len() > 16 && log.contains(secret)
}
