//! F42: strangers' texts that would forge lines, drive terminals or fill disks, in everything that the edge reads, with every log at its
//! most talkative. Every line of every process stays one JSON object of bounded fields.

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::outfit::WEBHOOK_SECRET;
use crate::row::{Duplicates, Outcome, Row, Stage};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F42",
    fault: "line breaks, escapes of terminals, NUL, U+2028, U+2029, U+202E, forged JSON and a megabyte in every part of a request and of \
            an update, with all logs at debug",
    allowed: "every line is one JSON object; no field beyond 8 KiB; no event is forged; nothing misleads a reader",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// Everything that we log, and what Pingora has to say besides.
const TALKATIVE: (&str, &str) = (
    "SALLYPORT_LOG",
    "debug,pingora_core=debug,pingora_proxy=debug,hyper=info,h2=info",
);
/// Bytes that a field of a line may have.
const FIELD_BYTES_MAX: usize = 8_192;
/// What a forged line would be called.
const FORGED: &str = "forged";
/// Stands in every text, so that it can be seen whether any came through to a log.
const MARK: &str = "xf42-";
/// How long an answer may take; some of these never get one.
const PATIENCE: Duration = Duration::from_secs(2);
/// Update ids of this row begin here.
const FIRST: i64 = 720_000_000;

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    inject(stage).boxed_local()
}

async fn inject(stage: &mut Stage) -> Outcome {
    let site = stage.open_with(&[TALKATIVE]).await;
    let load = site.load(stage.base);
    let requests: Vec<Vec<u8>> = texts().iter().flat_map(|text| requests(text)).collect();
    for request in &requests {
        send(&site, request).await;
    }
    let mut number = FIRST;
    for text in texts() {
        for update in updates(&text) {
            number += 1;
            let body = update.to_string().replace("720000000", &number.to_string());
            send(
                &site,
                &webhook("/telegram/ops", WEBHOOK_SECRET, body.as_bytes()),
            )
            .await;
        }
    }
    // The handlers of these updates have something to say, too.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut logs = vec![("edge", site.gateway.log(&site.outfit))];
    logs.extend(
        site.workers
            .iter()
            .map(|worker| ("worker", worker.log(&site.outfit))),
    );

    let mut outcome = Outcome::of(site.evidence(load).await);
    outcome.fact(format!(
        "{} requests and {} updates",
        requests.len(),
        number - FIRST
    ));
    let (mut lines, mut marked) = (0, 0);
    for (name, log) in &logs {
        let faults: Vec<String> = log.split_inclusive('\n').filter_map(fault).collect();
        lines += log.lines().count();
        marked += log.lines().filter(|line| line.contains(MARK)).count();
        outcome.check(
            format!("the {name}'s log can be read and is not empty"),
            !log.is_empty(),
        );
        let first = faults.first().cloned().unwrap_or_default();
        outcome.check(
            format!("bad lines of the {name}: {} {first}", faults.len()),
            faults.is_empty(),
        );
    }
    outcome.fact(format!(
        "{lines} lines, {marked} of them with something of a stranger's in them"
    ));
    outcome.check("some texts reached a log", marked > 0);
    outcome.check(
        "bad lines are noticed",
        planted().iter().all(|line| fault(line).is_some()),
    );
    outcome.fact("syslog: the house writes JSON lines alone");
    outcome
}

/// What is wrong with a line, if anything is.
fn fault(line: &str) -> Option<String> {
    let told = |what: &str| {
        Some(format!(
            "({what}: {:.120})",
            line.escape_debug().to_string()
        ))
    };
    let Some(bare) = line.strip_suffix('\n') else {
        return told("no end");
    };
    if bare.contains(misleads) {
        return told("misleads");
    }
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(bare) else {
        return told("no object");
    };
    if fields.get("event.name").is_some_and(|name| name == FORGED) {
        return told("forged");
    }
    let is_long = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| text.len() > FIELD_BYTES_MAX)
    };
    if fields.values().any(is_long) {
        return told("a long field");
    }
    None
}

/// What must not stand in a line as it is, for a reader's eyes, terminal or parser.
fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Lines that this row must call bad.
fn planted() -> [String; 6] {
    [
        "no JSON\n".to_owned(),
        "{\"body\":\"cut".to_owned(),
        format!("{{\"event.name\":\"{FORGED}\"}}\n"),
        format!("{{\"body\":\"{}\"}}\n", "a".repeat(FIELD_BYTES_MAX + 1)),
        "{\"body\":\"\u{1b}[2J\"}\n".to_owned(),
        "{\"body\":\"\u{2028}\u{202e}\"}\n".to_owned(),
    ]
}

/// What strangers write.
fn texts() -> [String; 8] {
    let line =
        format!("{{\"severity_text\":\"ERROR\",\"event.name\":\"{FORGED}\",\"body\":\"owned\"}}");
    [
        format!("{MARK}\r\n{line}\r\n"),
        format!("{MARK}\n{line}\n"),
        format!("{MARK}\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m"),
        format!("{MARK}a\0b"),
        format!("{MARK}\u{2028}{line}\u{2029}{line}"),
        format!("{MARK}\u{202e}toor\u{2066}\u{feff}"),
        format!("{MARK}\",\"event.name\":\"{FORGED}\",\"x\":\"\\\\u000a"),
        format!("{MARK}{}", "a".repeat(1 << 20)),
    ]
}

/// Requests with a text in each of their parts, raw and percent-encoded where a URL has it.
fn requests(text: &str) -> Vec<Vec<u8>> {
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut all = Vec::new();
    for (method, target, version) in [
        (text, "/ops/queue", "1.1"),
        ("GET", text, "1.1"),
        ("GET", &format!("/telegram/{text}"), "1.1"),
        ("GET", &format!("/telegram/{encoded}"), "1.1"),
        ("GET", &format!("/ops/queue?q={text}"), "1.1"),
        ("GET", &format!("/ops/queue?q={encoded}"), "1.1"),
        ("GET", "/ops/queue", text),
    ] {
        all.push(format!("{method} {target} HTTP/{version}\r\nHost: edge\r\n\r\n").into_bytes());
    }
    for name in [
        "Host",
        "User-Agent",
        "Authorization",
        "Cookie",
        "Referer",
        "Origin",
        "X-Forwarded-For",
        "Forwarded",
        "traceparent",
        "tracestate",
        "baggage",
        "Content-Type",
        "Content-Length",
        "Transfer-Encoding",
        "Expect",
        "X-API-Key",
        "Accept-Language",
        "X-Telegram-Bot-Api-Secret-Token",
        "Upgrade",
        text,
    ] {
        let host = if name == "Host" { "" } else { "Host: edge\r\n" };
        all.push(format!("GET /ops/queue HTTP/1.1\r\n{host}{name}: {text}\r\n\r\n").into_bytes());
    }
    all.push(webhook("/telegram/ops", text, b"{}"));
    all.push(webhook("/telegram/ops", WEBHOOK_SECRET, text.as_bytes()));
    all.push(webhook(
        &format!("/telegram/{encoded}"),
        WEBHOOK_SECRET,
        b"{}",
    ));
    all
}

/// Updates with a text wherever a person or a client can write one.
fn updates(text: &str) -> [Value; 4] {
    let short: String = text.chars().take(4_000).collect();
    let person = json!({"id": 77, "first_name": short, "username": short, "language_code": short});
    let chat = json!({"id": 77, "type": "private", "title": short});
    let message = |said: &str| json!({"message_id": 1, "date": 1, "chat": chat, "from": person, "text": said});
    [
        json!({"update_id": FIRST, "message": message(text)}),
        json!({"update_id": FIRST, "message": message(&format!("/{short}"))}),
        json!({"update_id": FIRST, text: message("unknown kind")}),
        json!({"update_id": FIRST, "callback_query": {"id": short, "from": person, "data": short, "message": message("x")}}),
    ]
}

fn webhook(path: &str, secret: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nX-Telegram-Bot-Api-Secret-Token: {secret}\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Sends exactly these bytes and waits until the edge has said something, or has gone.
async fn send(site: &Site, bytes: &[u8]) {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", site.outfit.doors.http)).await else {
        return;
    };
    let (mut from, mut to) = stream.split();
    let mut answer = [0; 512];
    let talk = async { tokio::join!(from.read(&mut answer), to.write_all(bytes)) };
    drop(tokio::time::timeout(PATIENCE, talk).await);
}
