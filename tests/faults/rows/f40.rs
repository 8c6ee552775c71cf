//! F40: URLs and names that would have the house call its own neighbours, each as a webhook that a worker is to send to. Traps listen on
//! every address of this machine, and the workers ask a name server whose answers change from one lookup to the next.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use sallyport_queue::Key;
use serde_json::json;

use crate::name_server::{self, Answers, NameServer};
use crate::row::{Duplicates, LEASE_SETTING, Outcome, Row, Stage};
use crate::site::Site;
use crate::traps::Traps;

pub(crate) const ROW: Row = Row {
    id: "F40",
    fault: "webhooks to addresses inside: every spelling of them, wrapped in IPv6, names that lead there, names that change between \
            lookups, redirects, users, ports and schemes",
    allowed: "0 connections at the traps; every one dead with its reason; what is allowed arrives, at the address that was judged",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// The one address inside that the operator of this house has opened.
const OPENED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const PATIENCE: Duration = Duration::from_secs(60);
/// How a delivery that must not be made may end.
const GOOD_ENDS: [&str; 3] = ["invalid_url", "forbidden_address", "redirected"];
const ENTRIES_MIN: usize = 60;
/// The name that changes, and two of the redirects.
const CAUGHT_MIN: usize = 3;
/// Names that lead to traps, and arrive there once an operator has opened loopback.
const WIDE_NAMES: [&str; 2] = ["loopback", "loopback6"];

/// Addresses of this machine and of its neighbours, in every spelling. Each gets the traps' port.
const HOSTS: &[&str] = &[
    "127.0.0.1",
    "127.0.0.3",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.0.0.1.",
    "0",
    "0.0.0.0",
    "0x0",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "１２７.０.０.１",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "192.0.0.192",
    "198.18.0.1",
    "168.63.129.16",
    "224.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:127.0.0.2]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::127.0.0.2]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[fec0::1]",
    "[ff02::1]",
    "[::1%25lo]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "any.localhost",
    "opened.f40.test@127.0.0.1",
    "opened.f40.test:80@127.0.0.1",
    "opened.f40.test%2f@127.0.0.1",
];

/// Whole URLs, with `PORT` where the traps' port belongs.
const URLS: &[&str] = &[
    "https://127.0.0.1:PORT/",
    "https://[::1]:PORT/",
    "gopher://127.0.0.1:PORT/_POST",
    "ftp://127.0.0.1:PORT/",
    "dict://127.0.0.1:PORT/x",
    "ldap://127.0.0.1:PORT/",
    "file:///etc/passwd",
    "data:text/plain,x",
    "unix:///run/x.sock",
    "//127.0.0.1:PORT/",
    "127.0.0.1:PORT",
    "http:127.0.0.1:PORT",
    "http:/127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT\\",
    "ht\ttp://127.0.0.1:PORT/",
    "http://127.0.0.1\t:PORT/",
    "http://127.0.0.1:PORT\\@opened.f40.test/",
    "http://opened.f40.test:PORT\\@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT#@opened.f40.test/",
    "http://127.0.0.1:PORT?@opened.f40.test/",
    "http://127.0.0.1:PORT/\r\nHost: opened.f40.test",
    "http://127.0.0.2:6379/",
    "http://opened.f40.test:5432/",
    "http://opened.f40.test/",
];

/// Names, and where they lead at the first lookup, the second, and so on.
const NAMES: &[(&str, &[&[&str]])] = &[
    ("loopback", &[&["127.0.0.1"]]),
    ("loopback6", &[&["::1"]]),
    ("mapped", &[&["::ffff:127.0.0.1"]]),
    ("nat64", &[&["64:ff9b::7f00:1"]]),
    ("unspecified", &[&["0.0.0.0"]]),
    ("unspecified6", &[&["::"]]),
    ("metadata", &[&["169.254.169.254"]]),
    ("private", &[&["10.0.0.1"]]),
    ("local", &[&["fd00:ec2::254"]]),
    ("both", &[&["127.0.0.2", "127.0.0.1"]]),
    ("both-reversed", &[&["127.0.0.1", "127.0.0.2"]]),
    ("both-families", &[&["127.0.0.2", "::1"]]),
];
/// Leads to the opened address when it is looked up first, and to a trap ever after.
const REBINDING: &str = "rebinding.f40.test";
const OPENED_NAME: &str = "opened.f40.test";

/// Where a receiver at the opened address sends us.
const REDIRECTS: &[&str] = &[
    "301/http://127.0.0.1:PORT/",
    "302/http://[::1]:PORT/",
    "303/http://loopback.f40.test:PORT/",
    "307/http://127.0.0.3:PORT/",
    "308/http://127.0.0.1:PORT/",
    "302///127.0.0.1:PORT/",
    "302/file:///etc/passwd",
];

const POINT: &str = "
    insert into webhooks (bot, chat, name, url, host, salt)
    values ('ops', '40', $1, $2, 'of the row', decode('000102030405060708090a0b0c0d0e0f', 'hex'))";
const PUT: &str = "
    with put as (
        insert into messages (id, day, bot, tenant, source, kind, kind_version, key, partition, priority, payload, payload_format,
                              trace, trace_id)
        values (nextval('message_order'), (now() at time zone 'utc')::date, 'ops', 'house', 'faults', 'webhook.send', 1, $1, $2, 0, $3, 0,
                decode('0102030405060708090a0b0c0d0e0f10a1a2a3a4a5a6a7a800', 'hex'), decode('0102030405060708090a0b0c0d0e0f10', 'hex'))
        returning id, day, partition, priority, kind, key
    )
    insert into queue (id, day, partition, priority, lane, kind, key)
    select id, day, partition, priority, queue_lane('house'), kind, key from put";
const WAITING: &str = "select count(*) from queue where kind = 'webhook.send'";
const ENDS: &str = "
    select m.key, e.outcome::text, coalesce(e.error_kind, '') from messages m
      left join endings e on e.message_id = m.id
     where m.kind = 'webhook.send' order by m.id";

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    point_inside(stage).boxed_local()
}

async fn point_inside(stage: &mut Stage) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let traps = Traps::set().await.unwrap();
    let within = name_server::within(folder.path());
    let names = NameServer::start(names()).await;
    let (within, names) = match (within, names) {
        (Ok(within), Ok(names)) => (within, names),
        (Err(why), _) => return Outcome::not_available(&format!("a resolver of its own: {why}")),
        (_, Err(why)) => {
            return Outcome::not_available(&format!("a name server of its own: {why}"));
        }
    };
    let mut site = build(stage, &traps, folder.path(), &within).await;
    stage.start(&mut site, "").await;
    let load = site.load(stage.base);

    let bad = bad_urls(traps.port);
    for (number, url) in bad.iter().enumerate() {
        send(&site, &format!("bad-{number}"), url, 1).await;
    }
    let opened = |host: &str| format!("http://{host}:{}/hook", traps.port);
    send(&site, "good-name", &opened(OPENED_NAME), 3).await;
    send(&site, "good-address", &opened("127.0.0.2"), 1).await;
    // One delivery when the name is looked up first, and one when it leads elsewhere.
    send(&site, "rebinding", &opened(REBINDING), 2).await;
    let left = wait_until_sent(&site).await;
    let ends = ends(&site).await;
    let (caught, arrived) = (traps.elsewhere_than(OPENED), traps.at(OPENED));
    names.begin_anew();
    let mut urls = bad.clone();
    urls.push(opened(REBINDING));
    tokio::task::spawn_blocking(move || call_naively(&within, &urls))
        .await
        .unwrap();
    let naive = traps.elsewhere_than(OPENED) - caught;
    open_wide(&mut site, &traps, folder.path()).await;
    let opened_wide = traps.elsewhere_than(OPENED) - caught - naive;
    let seen = Seen {
        ends,
        left,
        caught,
        arrived,
        naive,
        opened_wide,
    };
    let mut outcome = Outcome::of(site.evidence(load).await);
    seen.judge(&bad, &mut outcome);
    outcome
}

/// What became of the deliveries, and who came where.
struct Seen {
    /// How the deliveries of each webhook ended, in their order: the error where there is one.
    ends: BTreeMap<String, Vec<String>>,
    /// How many had not ended in time.
    left: i64,
    /// Connections at addresses that must not be called.
    caught: usize,
    /// Connections at the one that may be.
    arrived: usize,
    /// How often a careless sender was caught.
    naive: usize,
    /// Connections at the traps once an operator has opened loopback.
    opened_wide: usize,
}

impl Seen {
    fn judge(&self, bad: &[String], outcome: &mut Outcome) {
        let words = format!("{} entries, {ENTRIES_MIN} at least", bad.len());
        outcome.check(words, bad.len() >= ENTRIES_MIN);
        let words = format!("connections at the traps: {}", self.caught);
        outcome.check(words, self.caught == 0);
        outcome.check(format!("still waiting: {}", self.left), self.left == 0);
        let wrong = self.wrongly_ended(bad);
        let words = format!(
            "not dead with a good reason: {} {}",
            wrong.len(),
            wrong.join(", ")
        );
        outcome.check(words, wrong.is_empty());
        let wanted = [
            ("good-name", vec!["done"; 3]),
            ("good-address", vec!["done"]),
            ("rebinding", vec!["done", "forbidden_address"]),
        ];
        for (name, wanted) in wanted {
            let seen = self.ends.get(name).cloned().unwrap_or_default();
            outcome.check(format!("{name}: {}", seen.join(", ")), seen == wanted);
        }
        let (arrived, naive) = (self.arrived, self.naive);
        // Five that are meant for it, and those that it sends elsewhere.
        let expected = 5 + REDIRECTS.len();
        let words = format!("connections where it is allowed: {arrived} of {expected}");
        outcome.check(words, arrived == expected);
        let words =
            format!("a sender that looks names up twice and follows is caught {naive} times");
        outcome.check(words, naive >= CAUGHT_MIN);
        let reached = self.opened_wide;
        let words =
            format!("with loopback opened by an operator the traps are reached {reached} times");
        outcome.check(words, reached == WIDE_NAMES.len());
    }

    fn wrongly_ended(&self, bad: &[String]) -> Vec<String> {
        let entries = bad.iter().enumerate();
        let wrong = entries.filter_map(|(number, url)| {
            let ended = self.ends.get(&format!("bad-{number}"));
            let ended = ended.cloned().unwrap_or_default();
            let is_good = matches!(ended.as_slice(), [end] if GOOD_ENDS.contains(&end.as_str()));
            (!is_good).then(|| format!("{url:?}: {}", ended.join(" ")))
        });
        wrong.collect()
    }
}

/// A house that may call the opened address and nothing else inside, and whose workers ask our name server. A proxy that the
/// environment names is a trap, too.
async fn build(stage: &mut Stage, traps: &Traps, folder: &Path, within: &[String]) -> Site {
    write_settings(folder, traps.port, &[&format!("{OPENED}/32")]);
    let config = folder.to_str().unwrap().to_owned();
    let mut site = stage
        .build_with(&[
            LEASE_SETTING,
            ("SALLYPORT_CONFIG", &config),
            (
                "SALLYPORT_WEBHOOK_SECRET",
                "a-secret-of-the-fault-rows-40-40-40",
            ),
        ])
        .await;
    let proxy = format!("http://127.0.0.1:{}", traps.port);
    for worker in &mut site.workers {
        worker.within = within.to_vec();
        let variables = [
            "http_proxy",
            "HTTP_PROXY",
            "https_proxy",
            "HTTPS_PROXY",
            "ALL_PROXY",
        ];
        worker
            .environment
            .extend(variables.map(|name| (name.to_owned(), proxy.clone())));
    }
    site
}

fn write_settings(folder: &Path, port: u16, networks: &[&str]) {
    let client = json!({"allow_http": true, "ports": [port], "networks": networks});
    let settings = json!({"chat": {"webhooks": {"client": client}}});
    std::fs::write(folder.join("apps.yaml"), settings.to_string()).unwrap();
}

/// Shows that the traps can be reached: the workers start again with loopback opened, and are sent where they were refused before.
async fn open_wide(site: &mut Site, traps: &Traps, folder: &Path) {
    write_settings(folder, traps.port, &["127.0.0.0/8", "::1/128"]);
    for number in 0..site.workers.len() {
        site.workers[number].stop(PATIENCE).await;
        site.start_worker(number, "");
        site.wait_for_worker(number).await;
    }
    for name in WIDE_NAMES {
        let url = format!("http://{name}.f40.test:{}/", traps.port);
        send(site, &format!("wide-{name}"), &url, 1).await;
    }
    wait_until_sent(site).await;
}

fn names() -> HashMap<String, Answers> {
    let parsed = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
    let mut names: HashMap<String, Answers> = NAMES
        .iter()
        .map(|(name, answers)| {
            (
                format!("{name}.f40.test"),
                answers.iter().map(parsed).collect(),
            )
        })
        .collect();
    names.insert(OPENED_NAME.to_owned(), vec![vec![OPENED]]);
    names.insert(
        REBINDING.to_owned(),
        vec![vec![OPENED], vec![Ipv4Addr::LOCALHOST.into()]],
    );
    names
}

/// Everything that must not be called, and what would lead there.
fn bad_urls(port: u16) -> Vec<String> {
    let hosts = HOSTS.iter().map(|host| format!("http://{host}:PORT/"));
    let urls = URLS.iter().map(|url| (*url).to_owned());
    let names = NAMES
        .iter()
        .map(|(name, _)| format!("http://{name}.f40.test:PORT/"));
    let redirects = REDIRECTS
        .iter()
        .map(|to| format!("http://{OPENED_NAME}:PORT/redirect/{to}"));
    let all = hosts.chain(urls).chain(names).chain(redirects);
    all.map(|url| url.replace("PORT", &port.to_string()))
        .collect()
}

/// Points a webhook at a URL, past what looks at URLs when people enter them, and posts so many events to it.
async fn send(site: &Site, name: &str, url: &str, events: usize) {
    let database = site.database().await;
    database.execute(POINT, &[&name, &url]).await.unwrap();
    let key = Key::from(format!("out:webhook:ops:40:{name}"));
    let partition = i16::from(key.partition().index());
    let event = json!({"chat": "40", "name": name, "kind": "row.f40", "at": "2026-11-22T09:00:00Z", "data": {}}).to_string();
    for _ in 0..events {
        database
            .execute(PUT, &[&key.as_str(), &partition, &event.as_bytes()])
            .await
            .unwrap();
    }
}

/// How many have not ended in time.
async fn wait_until_sent(site: &Site) -> i64 {
    let began = Instant::now();
    loop {
        let left = site.number(WAITING).await;
        if left == 0 || began.elapsed() > PATIENCE {
            return left;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How the deliveries of each webhook ended, in their order: the error where there is one.
async fn ends(site: &Site) -> BTreeMap<String, Vec<String>> {
    let mut ends: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in site.database().await.query(ENDS, &[]).await.unwrap() {
        let (key, outcome, error): (String, Option<String>, String) =
            (row.get(0), row.get(1), row.get(2));
        let name = key.rsplit(':').next().unwrap_or_default().to_owned();
        let end = if error.is_empty() {
            outcome.unwrap_or_default()
        } else {
            error
        };
        ends.entry(name).or_default().push(end);
    }
    ends
}

/// Lets a careless sender loose on the same list.
fn call_naively(within: &[String], urls: &[String]) {
    let [program, arguments @ ..] = within else {
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/naive_client.py");
    let mut sender = Command::new(program)
        .args(arguments)
        .args(["python3", script])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = sender.stdin.take().unwrap();
    for url in urls.iter().filter(|url| !url.contains(['\r', '\n'])) {
        writeln!(input, "{url}").unwrap();
    }
    drop(input);
    sender.wait().unwrap();
}
