//! Forwarded requests per second: the edge with everything on, beside Pingora bare, nginx, nginx with ModSecurity, and Envoy.
//!
//! All stand before the same upstream (an nginx that answers `200` at once) on the same two cores, and are asked in turns, so that whatever
//! else the machine does meets all of them. What is compared is the rate, and the processor time of each proxy per request, which
//! depends less on what the load generator takes. The edge runs as `sallyport gateway` does: limits are counted, everything is
//! inspected, headers are judged and added, metrics kept and traces decided on.
//!
//! Arguments: `SECONDS` of each turn and `TURNS`. `SALLYPORT_BENCH_ENVOY` names the program of Envoy; without it that one is left out, as is
//! ModSecurity where its module or rules are not installed.
#![expect(
    clippy::disallowed_methods,
    reason = "a bench reads its environment and waits for programs"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot go on has no result"
)]
#![expect(clippy::print_stdout, reason = "its output is its result")]

#[path = "measure/bare.rs"]
mod bare;
#[path = "measure/envoy.rs"]
mod envoy;
#[path = "../tests/stories/house.rs"]
#[expect(dead_code, reason = "the stories use the rest of it")]
mod house;
#[path = "measure/load.rs"]
mod load;
#[path = "measure/nginx.rs"]
#[expect(dead_code, reason = "the bench of accepts uses the rest of it")]
mod nginx;
#[path = "measure/peer.rs"]
#[expect(dead_code, reason = "the bench of accepts uses the rest of it")]
mod peer;
#[path = "measure/usage.rs"]
#[expect(dead_code, reason = "the bench of accepts uses the rest of it")]
mod usage;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use house::{House, free_port};
use load::{Answers, Request};
use peer::Peer;
use tikv_jemallocator::Jemalloc;

/// For the bare proxy, which has the edge's allocator.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

const SECONDS: u64 = 5;
const TURNS: usize = 3;
/// The first of the line is what the others are compared with.
const EDGE: &str = "sallyport";
const MODULE: &str = "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so";
const RULES: &str = "/usr/share/modsecurity-crs/rules";

/// One that is measured.
struct Contestant {
    name: &'static str,
    http: u16,
    tls: u16,
    processes: Vec<String>,
    /// Ends it.
    _peer: Option<Peer>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [name, http, tls, upstream, chain, key] = arguments.as_slice()
        && name == "bare"
    {
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap();
        bare::serve(&bare::Doors {
            http: http.parse().unwrap(),
            tls: tls.parse().unwrap(),
            upstream: upstream.parse().unwrap(),
            chain: chain.clone(),
            key: key.clone(),
        });
    }
    let numbers: Vec<u64> = arguments
        .iter()
        .filter_map(|one| one.parse().ok())
        .collect();
    let seconds = numbers.first().copied().unwrap_or(SECONDS);
    let turns = numbers
        .get(1)
        .map_or(TURNS, |turns| usize::try_from(*turns).unwrap());
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(compare(seconds, turns));
}

async fn compare(seconds: u64, turns: usize) {
    let folder = tempfile::tempdir().unwrap();
    let upstream = free_port();
    let origin = start_origin(folder.path(), upstream).expect("nginx is there");
    std::fs::write(folder.path().join("gateway.yaml"), settings(upstream)).unwrap();
    let config = folder.path().to_str().unwrap();
    let mut house = House::build(&[("SALLYPORT_CONFIG", config)]).await;
    let migrated = house.run(&["migrate"]);
    assert!(migrated.status.success(), "{migrated:?}");
    house.start_gateway().await;
    let contestants = contestants(folder.path(), &house, upstream);
    let body = folder.path().join("body.json");
    std::fs::write(&body, order()).unwrap();
    for (scheme, door) in [
        ("http", |one: &Contestant| one.http),
        ("https", |one: &Contestant| one.tls),
    ] as [(_, fn(&Contestant) -> u16); 2]
    {
        for posted in [None, Some(body.as_path())] {
            let what = if posted.is_some() {
                "POST, 1 KiB"
            } else {
                "GET"
            };
            println!("{what} over {scheme}");
            println!(
                "{:<22} {:>10} {:>12} {:>14} {:>16}",
                "", "requests/s", "µs each", ": sallyport's", "its µs : theirs"
            );
            let seen = in_turns(&contestants, turns, |one| {
                let url = format!(
                    "{scheme}://127.0.0.1:{}/api/items?category=garden&page=2&sort=price",
                    door(one)
                );
                load::ask(
                    &Request {
                        url: &url,
                        body: posted,
                    },
                    seconds,
                )
            });
            tell(&contestants, &seen);
        }
    }
    drop(origin);
}

/// Everybody once, then everybody again.
fn in_turns(
    contestants: &[Contestant],
    turns: usize,
    ask: impl Fn(&Contestant) -> Answers,
) -> Vec<(Answers, Duration)> {
    let mut seen = vec![(Answers::default(), Duration::ZERO); contestants.len()];
    for _ in 0..turns {
        for (one, seen) in contestants.iter().zip(&mut seen) {
            let before = time_of(one);
            let answers = ask(one);
            seen.0.count += answers.count;
            seen.0.per_second += answers.per_second / turns as f64;
            seen.1 += time_of(one).saturating_sub(before);
            // The edge bounds how many connections an address may have, and those of this turn are only just closed.
            std::thread::sleep(Duration::from_millis(300));
        }
    }
    seen
}

fn time_of(one: &Contestant) -> Duration {
    one.processes
        .iter()
        .map(|process| usage::of_process(process))
        .sum()
}

fn tell(contestants: &[Contestant], seen: &[(Answers, Duration)]) {
    let each = |(answers, time): &(Answers, Duration)| usage::each_us(*time, answers.count);
    let ours = seen.first().expect("the edge is the first");
    for (one, seen) in contestants.iter().zip(seen) {
        println!(
            "{:<22} {:>10.0} {:>12.1} {:>14.2} {:>16.2}",
            one.name,
            seen.0.per_second,
            each(seen),
            seen.0.per_second / ours.0.per_second,
            each(ours) / each(seen),
        );
    }
    println!();
}

fn contestants(folder: &Path, house: &House, upstream: u16) -> Vec<Contestant> {
    let (chain, key) = certificate(house);
    let mut all = vec![Contestant {
        name: EDGE,
        http: house.doors.http,
        tls: house.doors.tls,
        processes: vec![house.server().id().to_string()],
        _peer: None,
    }];
    let mut add = |name, http, tls, peer: Peer| {
        all.push(Contestant {
            name,
            http,
            tls,
            processes: peer.processes(),
            _peer: Some(peer),
        });
    };
    let (http, tls) = (free_port(), free_port());
    let mut bare = Command::new(std::env::current_exe().unwrap());
    bare.arg("bare");
    bare.args([http, tls, upstream].map(|port| port.to_string()));
    bare.arg(&chain).arg(&key);
    add("pingora, bare", http, tls, Peer::start(&mut bare, http));
    for (name, is_guarded) in [("nginx", false), ("nginx, ModSecurity", true)] {
        if is_guarded && !(Path::new(MODULE).exists() && Path::new(RULES).exists()) {
            println!("without ModSecurity: its module or its rules are not installed");
            continue;
        }
        let (http, tls) = (free_port(), free_port());
        let site = proxy(folder, is_guarded, [http, tls, upstream], [&chain, &key]);
        let site = nginx::Site {
            modules: &if is_guarded {
                format!("load_module {MODULE};")
            } else {
                String::new()
            },
            workers: 2,
            http: &site,
        };
        let peer = nginx::start(folder, http, &site).expect("nginx is there");
        add(name, http, tls, peer);
    }
    match std::env::var("SALLYPORT_BENCH_ENVOY") {
        Err(_) => println!("without Envoy: SALLYPORT_BENCH_ENVOY names no program"),
        Ok(program) => {
            let (http, tls) = (free_port(), free_port());
            let doors = envoy::Doors {
                http,
                tls,
                upstream,
                chain: &chain,
                key: &key,
            };
            add("envoy", http, tls, envoy::start(&program, folder, &doors));
        }
    }
    all
}

/// What the edge shows who has no certificate of their own; here all show it.
fn certificate(house: &House) -> (PathBuf, PathBuf) {
    let folder = house.data().join("tls");
    (folder.join("server.pem"), folder.join("server.key"))
}

fn start_origin(folder: &Path, port: u16) -> Option<Peer> {
    let items = r#"{"items":[{"id":17,"name":"watering can","price":"12.50"},{"id":18,"name":"trowel","price":"7.20"}],"page":2}"#;
    let http = format!(
        "server {{ listen 127.0.0.1:{port}; default_type application/json; location / {{ return 200 '{items}'; }} }}"
    );
    let site = nginx::Site {
        modules: "",
        workers: 1,
        http: &http,
    };
    nginx::start(folder, port, &site)
}

/// nginx before the same upstream, alone or with the rules that Debian ships, which block at paranoia level 1.
fn proxy(
    folder: &Path,
    is_guarded: bool,
    [http, tls, upstream]: [u16; 3],
    [chain, key]: [&Path; 2],
) -> String {
    let guard = if is_guarded {
        let rules = folder.join("modsecurity.conf");
        let included = "Include /etc/nginx/modsecurity.conf
SecRuleEngine On
SecAuditEngine Off
Include /etc/modsecurity/crs/crs-setup.conf
Include /usr/share/modsecurity-crs/rules/*.conf
";
        std::fs::write(&rules, included).unwrap();
        format!(
            "modsecurity on; modsecurity_rules_file {};",
            rules.display()
        )
    } else {
        String::new()
    };
    format!(
        "upstream origin {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{http};
    listen 127.0.0.1:{tls} ssl;
    ssl_certificate {};
    ssl_certificate_key {};
    {guard}
    location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ''; }}
  }}",
        chain.display(),
        key.display()
    )
}

/// The shipped settings with a route to the upstream, and limits that are counted and not met.
fn settings(upstream: u16) -> String {
    let shipped = include_str!("../config/gateway.yaml");
    let opened = shipped
        .replace(
            "unverified: { requests: 6000, window_seconds: 60 }",
            "unverified: { requests: 10000000, window_seconds: 60 }",
        )
        .replace(
            "\nroutes:\n",
            &format!(
                "
routes:
  - path: /api/*
    forward:
      upstream: 127.0.0.1:{upstream}
      methods: [GET, POST]
      body_bytes_max: 1048576
      connect_deadline_ms: 1000
      answer_deadline_ms: 30000
"
            ),
        );
    assert!(opened.contains("10000000") && opened.contains("/api/*"));
    opened
}

/// A body of about 1 KiB: what a shop's page would send.
fn order() -> String {
    let lines: Vec<_> = (0..8)
        .map(|number| {
            serde_json::json!({
                "sku": format!("GARDEN-{number:05}"),
                "name": "Watering can, galvanised steel, 9 litres",
                "quantity": number + 1,
                "price": { "amount": "12.50", "currency": "EUR" },
            })
        })
        .collect();
    serde_json::json!({ "customer": 4711, "note": "Please ring the bell twice.", "lines": lines })
        .to_string()
}
