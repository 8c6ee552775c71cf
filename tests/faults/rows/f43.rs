//! F43: secrets in every slot where one can stand, a story with faults, and then a search for them in all that the house says.
//!
//! Two kinds are told apart. What an operator has configured stands nowhere, not even in the database. What a stranger has sent
//! stands where payloads are kept on purpose ([`PAYLOADS`]), and nowhere else.

use std::process::Output;
use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::outfit::WEBHOOK_SECRET;
use crate::proxy::Way;
use crate::row::{Duplicates, LEASE_SETTING, Outcome, Row, Stage};
use crate::site::Site;
use crate::updates;

pub(crate) const ROW: Row = Row {
    id: "F43",
    fault: "200 secrets in headers, queries, paths, bodies, tokens of hooks and bots, keys, and passwords of URLs; the provider and Postgres \
            away for a while, a handler that panics, a broken file of settings",
    allowed: "none of them in a log, a metric, a trace, an answer, or a column that is not a payload",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// How many there are.
const SECRETS: usize = 200;
/// What each of an operator's begins with, and each of a stranger's.
const CONFIGURED: &str = "zqconf";
const SENT: &str = "zqsent";
/// The columns that hold what people wrote, on purpose and for as long as the log of messages is kept.
const PAYLOADS: [&str; 2] = ["messages.payload", "dead_letters.payload"];
/// All logs of ours, and what Pingora says of requests.
const TALKATIVE: &str = "debug,pingora_core=debug,pingora_proxy=debug,hyper=info,h2=info";
/// How long something is away.
const AWAY: Duration = Duration::from_secs(3);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
const FIRST: i64 = 730_000_000;

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    tell(stage).boxed_local()
}

/// Draws secrets that begin alike, so that one search finds all of them.
struct Secrets {
    rng: StdRng,
    drawn: usize,
}

impl Secrets {
    fn draw(&mut self, kind: &str) -> String {
        self.drawn += 1;
        format!("{kind}{:03}x{:032x}", self.drawn, self.rng.random::<u128>())
    }
}

async fn tell(stage: &mut Stage) -> Outcome {
    let seed = stage.rng.random();
    let mut secrets = Secrets {
        rng: rand::SeedableRng::seed_from_u64(seed),
        drawn: 0,
    };
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().to_str().unwrap().to_owned();
    let mut site = build(stage, &mut secrets, &config).await;
    let good = edge(&site, &mut secrets, 40);
    std::fs::write(folder.path().join("gateway.yaml"), good).unwrap();
    stage.start(&mut site, "poison=return").await;
    let load = site.load(stage.base);

    let mut said = live_through(&site, &mut secrets).await;
    // A key of HS256 that is too short, and a file that has to be told about.
    std::fs::write(
        folder.path().join("gateway.yaml"),
        edge(&site, &mut secrets, 8),
    )
    .unwrap();
    let refused = site.outfit.command(&["check-config"]).output().unwrap();
    let is_refused = !refused.status.success();
    said.push(("a refused file", text(&refused)));
    tokio::time::sleep(Duration::from_secs(3)).await;
    said.push(("the edge's log", site.gateway.log(&site.outfit)));
    said.extend(
        site.workers
            .iter()
            .map(|worker| ("a worker's log", worker.log(&site.outfit))),
    );
    let leaks = columns_with_secrets(&site).await;

    let mut outcome = Outcome::of(site.evidence(load).await);
    outcome.fact(format!(
        "{} secrets, those in {} may be in the database",
        secrets.drawn,
        PAYLOADS.join(" and ")
    ));
    outcome.check(
        format!("{} secrets at least", secrets.drawn),
        secrets.drawn >= SECRETS,
    );
    outcome.check("a file with a bad key is refused", is_refused);
    for (name, text) in &said {
        outcome.check(format!("{name} can be read"), !text.is_empty());
        let found = found(text);
        outcome.check(
            format!("secrets in {name}: {} {}", found.len(), found.join(" … ")),
            found.is_empty(),
        );
    }
    let words = format!(
        "columns that hold what they should not: {}",
        leaks.join(", ")
    );
    outcome.check(words, leaks.is_empty());
    outcome.check(
        "a planted secret is found",
        found(&format!("a{CONFIGURED}001")).len() == 1,
    );
    outcome
}

/// Sends and asks while parts of the house are away: all that was answered, shown and printed.
async fn live_through(site: &Site, secrets: &mut Secrets) -> Vec<(&'static str, String)> {
    let mut answers = send_all(site, secrets).await;
    site.provider.switch(Way::Refuse);
    answers.push(say(site, 1, &format!("/ai what is {}", secrets.draw(SENT))).await);
    answers.push(say(site, 2, &format!("/poison-panic {}", secrets.draw(SENT))).await);
    tokio::time::sleep(AWAY).await;
    site.provider.switch(Way::Pass);
    site.postgres.switch(Way::Refuse);
    tokio::time::sleep(AWAY).await;
    site.postgres.switch(Way::Pass);
    let pages = pages(site).await;
    let mut said = vec![("answers", answers.join("\n")), ("pages", pages.join("\n"))];
    for arguments in [&["check-config"][..], &["status"], &["queue", "list"]] {
        said.push((
            "commands",
            text(&site.outfit.command(arguments).output().unwrap()),
        ));
    }
    said
}

/// A house whose every secret is one of ours.
async fn build(stage: &mut Stage, secrets: &mut Secrets, config: &str) -> Site {
    let bot = format!("1000001:{}", secrets.draw(CONFIGURED));
    let collector = format!("http://user:{}@127.0.0.1:9/", secrets.draw(CONFIGURED));
    let mut drawn = || secrets.draw(CONFIGURED);
    let (ops, model, backup) = (drawn(), drawn(), drawn());
    let mut site = stage
        .build_with(&[
            LEASE_SETTING,
            ("SALLYPORT_CONFIG", config),
            ("SALLYPORT_LOG", TALKATIVE),
            ("TELEGRAM_OPS_BOT_TOKEN", &bot),
            ("OPS_TOKEN", &ops),
            ("OPENAI_API_KEY", &model),
            ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1"),
            ("SALLYPORT_BACKUP_PASSWORD", &backup),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector),
        ])
        .await;
    for (name, value) in &mut site.outfit.variables {
        let (user, secret) = match name.as_str() {
            "DATABASE_URL" => (
                "//postgres@",
                format!("//postgres:{}@", secrets.draw(CONFIGURED)),
            ),
            // It asks for none, so the house has to live without it, and says why.
            "REDIS_URL" => (
                "redis://",
                format!("redis://:{}@", secrets.draw(CONFIGURED)),
            ),
            _ => continue,
        };
        *value = value.replace(user, &secret);
    }
    site
}

/// The edge's settings, with secrets for every kind of sender and a key of access tokens of so many bytes.
fn edge(site: &Site, secrets: &mut Secrets, key_bytes: usize) -> String {
    let key = secrets.draw(CONFIGURED);
    let key = key.get(..key_bytes).unwrap_or(&key);
    let mut hook =
        |name: &str| json!({"name": name, "source": name, "secrets": [secrets.draw(CONFIGURED)]});
    let hooks = json!([
        hook("github"),
        hook("slack"),
        hook("stripe"),
        hook("alertmanager")
    ]);
    let tokens = json!({"issuer": "i", "audience": ["a"], "keys": [{"id": "k", "algorithm": "HS256", "key": key}]});
    let upstream = format!("127.0.0.1:{}", site.outfit.doors.playground);
    json!({
        "http": format!("127.0.0.1:{}", site.outfit.doors.http),
        "tls": format!("127.0.0.1:{}", site.outfit.doors.tls),
        "routes": [
            {"path": "/telegram/{bot}", "accept": {"source": "telegram", "bots": [{"name": "ops", "secrets": [WEBHOOK_SECRET]}]}},
            {"path": "/hooks/{name}", "accept": {"hooks": hooks}},
            {"path": "/health/status", "health": "status", "tokens": [secrets.draw(CONFIGURED)]},
            {"path": "/private/*", "forward": {"upstream": upstream, "access_token": tokens}},
            {"path": "/ops/*", "forward": {"upstream": "127.0.0.1:9"}},
        ],
    })
    .to_string()
}

/// Sends secrets in every part of requests, and in updates, until enough were drawn. Returns the answers.
async fn send_all(site: &Site, secrets: &mut Secrets) -> Vec<String> {
    let mut answers = Vec::new();
    let mut number = FIRST;
    while secrets.drawn < SECRETS {
        for path in [
            "/telegram/ops",
            "/hooks/github",
            "/private/x",
            "/ops/x",
            "/nowhere",
        ] {
            for request in requests(path, secrets) {
                answers.push(ask(site, &request).await);
            }
        }
        number += 1;
        answers.push(say(site, number, &secrets.draw(SENT)).await);
    }
    answers
}

/// One request for each part of a request that may hold a secret.
fn requests(path: &str, secrets: &mut Secrets) -> Vec<String> {
    let mut drawn = || secrets.draw(SENT);
    let mut all = vec![
        format!(
            "GET {path}?token={} HTTP/1.1\r\nHost: edge\r\n\r\n",
            drawn()
        ),
        format!(
            "GET {path}/bot1:{}/x HTTP/1.1\r\nHost: edge\r\n\r\n",
            drawn()
        ),
        format!(
            "GET http://user:{}@edge{path} HTTP/1.1\r\nHost: edge\r\n\r\n",
            drawn()
        ),
        format!("GET {path} HTTP/1.1\r\nHost: user:{}@edge\r\n\r\n", drawn()),
        format!("{} {path} HTTP/1.1\r\nHost: edge\r\n\r\n", drawn()),
    ];
    for (name, scheme) in [
        ("Authorization", "Bearer "),
        ("Authorization", "Basic dXNlcjp"),
        ("Proxy-Authorization", "Basic "),
        ("X-API-Key", ""),
        ("Cookie", "session="),
        ("X-Telegram-Bot-Api-Secret-Token", ""),
        ("X-Hub-Signature-256", "sha256="),
        ("Stripe-Signature", "t=1,v1="),
        ("Referer", "https://user@host/?token="),
        ("X-Forwarded-For", ""),
        ("traceparent", "00-"),
    ] {
        let head = format!("Host: edge\r\n{name}: {scheme}{}\r\n", drawn());
        all.push(format!("GET {path} HTTP/1.1\r\n{head}\r\n"));
    }
    for (media_type, body) in [
        (
            "application/json",
            format!("{{\"password\":\"{}\"", drawn()),
        ),
        (
            "application/json",
            format!("{{\"update_id\":\"{}\"}}", drawn()),
        ),
        (
            "application/x-www-form-urlencoded",
            format!("password={}", drawn()),
        ),
    ] {
        all.push(posted(path, media_type, &body));
    }
    all
}

fn posted(path: &str, media_type: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: edge\r\nContent-Type: {media_type}\r\nX-Telegram-Bot-Api-Secret-Token: {WEBHOOK_SECRET}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An update with this text.
async fn say(site: &Site, number: i64, text: &str) -> String {
    let update = updates::text(number, 730_000, text).to_string();
    ask(site, &posted("/telegram/ops", "application/json", &update)).await
}

/// Sends exactly this, and returns what came back within the patience.
async fn ask(site: &Site, request: &str) -> String {
    let mut answer = vec![0; 16 * 1024];
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", site.outfit.doors.http)).await else {
        return String::new();
    };
    let talk = async {
        stream.write_all(request.as_bytes()).await?;
        stream.read(&mut answer).await
    };
    let read = tokio::time::timeout(PATIENCE, talk).await;
    answer.truncate(read.ok().and_then(Result::ok).unwrap_or_default());
    String::from_utf8_lossy(&answer).into_owned()
}

/// What the doors of the house show to anybody.
async fn pages(site: &Site) -> Vec<String> {
    let mut pages = Vec::new();
    for program in site.workers.iter().chain([&site.gateway]) {
        pages.push(program.metrics(&site.client).await);
        for page in ["health/live", "health/ready", "health/status"] {
            let answer = site.client.get(program.door(page)).send().await.unwrap();
            pages.push(answer.text().await.unwrap());
        }
    }
    pages
}

/// Each column with one of ours in it that may not have it.
async fn columns_with_secrets(site: &Site) -> Vec<String> {
    const COLUMNS: &str = "select c.table_name::text, c.column_name::text, c.data_type::text from information_schema.columns c
        join information_schema.tables t using (table_schema, table_name)
        where c.table_schema = 'public' and t.table_type = 'BASE TABLE'";
    let database = site.database().await;
    let mut leaks = Vec::new();
    for row in database.query(COLUMNS, &[]).await.unwrap() {
        let (table, column, kind): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let shown = match kind.as_str() {
            "bytea" => format!("encode(\"{column}\", 'escape')"),
            _ => format!("\"{column}\"::text"),
        };
        let name = format!("{table}.{column}");
        for kind in [CONFIGURED, SENT] {
            let question =
                format!("select count(*) from \"{table}\" where {shown} like '%{kind}%'");
            let count: i64 = database.query_one(&question, &[]).await.unwrap().get(0);
            if count > 0 && !(kind == SENT && is_payload(&name)) {
                leaks.push(format!("{name} ({kind}, {count} rows)"));
            }
        }
    }
    leaks
}

/// Whether a column is one of those, or of one of their partitions.
fn is_payload(name: &str) -> bool {
    PAYLOADS.iter().any(|payload| {
        let (table, column) = payload.split_once('.').unwrap();
        name.starts_with(table) && name.ends_with(&format!(".{column}"))
    })
}

/// Where secrets stand in a text, with what stands around the first few.
fn found(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| {
        let at = [CONFIGURED, SENT, WEBHOOK_SECRET]
            .iter()
            .filter_map(|kind| line.find(kind))
            .min()?;
        let around: String = line
            .chars()
            .skip(at.saturating_sub(100))
            .take(140)
            .collect();
        Some(around)
    });
    lines.take(5).collect()
}

/// All that a command has printed.
fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}
