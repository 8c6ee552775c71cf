//! What holding a request to the document of its API costs: finding its operation, judging its parameters, judging its body.
//!
//! The document is that of the house's own API; bodies of other sizes come from a small one of their own. The best of several runs
//! counts: whatever else the machine does only adds.
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot go on has no result"
)]
#![expect(clippy::print_stdout, reason = "its output is its result")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method, header};
use sallyport_security::openapi::{Contract, Parts};
use serde_json::json;

const RUNS: usize = 15;
const TIMES: u32 = 10_000;

fn main() {
    let text = include_bytes!("../docs/api/ops.openapi.json");
    let read = best(1, || Contract::parse(text).unwrap());
    println!(
        "{:>9.1} ms  reading a document of {} KiB",
        read.as_secs_f64() * 1e3,
        text.len() / 1024
    );
    let ops = Contract::parse(text).unwrap();
    let headers = HeaderMap::new();
    for target in [
        "/ops/queue",
        "/ops/traces?kind=telegram.update&over=200ms&limit=50",
    ] {
        let (path, query) = target
            .split_once('?')
            .map_or((target, None), |(path, query)| (path, Some(query)));
        let parts = Parts {
            method: &Method::GET,
            path,
            query,
            headers: &headers,
            has_body: false,
        };
        let took = best(TIMES, || ops.judge_head(black_box(&parts)).unwrap());
        println!("{:>9.0} ns  GET {target}", took.as_secs_f64() * 1e9);
    }
    bodies();
}

fn bodies() {
    let document = json!({"openapi": "3.1.0", "paths": {"/orders": {"post": {"requestBody": {"content": {"application/json": {"schema": {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": false,
            "required": ["id", "name"],
            "properties": {
                "id": {"type": "integer", "minimum": 1},
                "name": {"type": "string", "maxLength": 64, "pattern": "^[a-z ]+$"},
                "price": {"type": "number"},
            },
        },
    }}}}}}}});
    let orders = Contract::parse(document.to_string().as_bytes()).unwrap();
    let json = HeaderValue::from_static("application/json");
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, json)]);
    let parts = Parts {
        method: &Method::POST,
        path: "/orders",
        query: None,
        headers: &headers,
        has_body: true,
    };
    let operation = orders.judge_head(&parts).unwrap();
    for items in [1_u32, 20, 400, 16_000] {
        let items: Vec<_> = (1..=items)
            .map(|id| json!({"id": id, "name": "a lamp for the garden", "price": 12.5}))
            .collect();
        let body = serde_json::to_vec(&items).unwrap();
        let times = 2_000_000 / u32::try_from(body.len()).unwrap() + 1;
        let took = best(times, || {
            operation.judge_body(&headers, black_box(&body)).unwrap()
        });
        let rate = body.len() as f64 / took.as_secs_f64() / 1e6;
        println!(
            "{:>9.1} µs  a body of {} bytes: {rate:.0} MB/s",
            took.as_secs_f64() * 1e6,
            body.len()
        );
    }
}

/// The mean of so many times, in the best of several runs.
fn best<T>(times: u32, mut what: impl FnMut() -> T) -> Duration {
    let run = |_| {
        let began = Instant::now();
        for _ in 0..times {
            black_box(what());
        }
        began.elapsed() / times
    };
    (0..RUNS).map(run).min().unwrap_or_default()
}
