//! What an inspection costs: ordinary requests, and requests made to be slow.

use std::hint::black_box;
use std::time::{Duration, Instant};

use http::HeaderMap;
use sallyport_security::inspection::{Format, Inspector, Parts};

use crate::corpus::Request;

/// The size for which a budget is promised, and the budget.
const BYTES: usize = 16 * 1024;
const BUDGET: Duration = Duration::from_millis(1);
/// The best of so many runs counts: whatever else the machine does only adds.
const RUNS: usize = 15;

/// Prints the times and returns the gates that failed.
pub(crate) fn run(inspector: &Inspector, benign: &[Request]) -> Vec<String> {
    println!("\nTime");
    ordinary(inspector, benign);
    let mut failed = Vec::new();
    for (name, value) in hostile() {
        let query = [b"q=", value.as_slice()].concat();
        let json = serde_json::to_vec(&String::from_utf8_lossy(&value)).unwrap_or_default();
        let headers = HeaderMap::new();
        let parts = |query, body| Parts {
            path: b"/search",
            query,
            headers: &headers,
            body,
        };
        let in_query = best(RUNS, || inspector.inspect(&parts(&query, None)));
        let in_json = best(RUNS, || {
            inspector.inspect(&parts(b"", Some((Format::Json, &json))))
        });
        let took = in_query.max(in_json);
        println!("  {:>8.3} ms  16 KiB: {name}", took.as_secs_f64() * 1e3);
        if took > BUDGET {
            failed.push(format!("{name}: {took:?}, at most {BUDGET:?} wanted"));
        }
    }
    failed
}

fn ordinary(inspector: &Inspector, benign: &[Request]) {
    let bytes: usize = benign
        .iter()
        .map(|request| inspector.inspect(&request.parts()).bytes_inspected)
        .sum();
    let judge_all = || {
        for request in benign {
            black_box(inspector.inspect(&request.parts()));
        }
    };
    let took = best(3, judge_all);
    println!(
        "  {:>8.0} ns  a harmless request of {} bytes, mean of {}",
        took.as_nanos() as f64 / benign.len() as f64,
        bytes / benign.len(),
        benign.len()
    );
    println!(
        "  {:>8.3} ms  16 KiB of harmless requests",
        took.as_secs_f64() * 1e3 * BYTES as f64 / bytes as f64
    );
}

fn best<T>(runs: usize, mut work: impl FnMut() -> T) -> Duration {
    let timed = (0..runs).map(|_| {
        let start = Instant::now();
        black_box(work());
        start.elapsed()
    });
    timed.min().unwrap_or_default()
}

/// Values that are made to keep some part of the inspection busy.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let repeated = |unit: &str| unit.bytes().cycle().take(BYTES).collect::<Vec<u8>>();
    let fields_after = |start: &str, unit: &str| {
        let field: Vec<u8> = start
            .bytes()
            .chain(unit.bytes().cycle())
            .take(250)
            .collect();
        let fields: Vec<Vec<u8>> = (0..BYTES / 256)
            .map(|number| [format!("&f{number}=").as_bytes(), &field].concat())
            .collect();
        fields.concat()
    };
    let fields = |unit: &str| fields_after("", unit);
    vec![
        ("plain words", repeated("what people write ")),
        ("words with dots", repeated("a.")),
        ("words with dots, in many fields", fields("a.")),
        ("words with backticks, in many fields", fields("'a`a`")),
        ("quoted words with dots, in many fields", fields("'a.")),
        (
            "one quoted word with dots",
            [b"'", repeated("a.").as_slice()].concat(),
        ),
        (
            "a quote and words with dots, in many fields",
            fields_after("'", "a."),
        ),
        ("folding sums", repeated("1+")),
        ("folding sums, in many fields", fields("1%2b")),
        ("folding names, in many fields", fields("in.x,")),
        ("quotes", repeated("'")),
        ("quotes and words, in many fields", fields("' a \" b ")),
        ("open comments", repeated("/*")),
        ("closed comments", repeated("/**/")),
        ("brackets", repeated("(")),
        ("open elements", repeated("<a ")),
        ("open elements, in many fields", fields("<a b=")),
        ("open comments of HTML", repeated("<!--")),
        ("slashes of elements", repeated("<a/////")),
        ("entities", repeated("&#x00000")),
        ("encoded escapes", repeated("%25")),
        ("encoded escapes of escapes", repeated("%252525")),
        ("backslashes", repeated("\\")),
        ("dots", repeated(".")),
        ("parent folders", repeated("../")),
        ("union without select", repeated("union all ")),
        ("select in brackets", repeated("(select ")),
        ("almost a handler", repeated("<a on")),
        ("script letter by letter", repeated("j a v a s c r i p t ")),
        ("dollar tags", repeated("$a")),
        ("NULs", repeated("%00")),
        ("bytes of no encoding", repeated("%ff%c0%e0")),
        ("line ends", repeated("%0d%0a")),
        ("nested script", repeated("eval(alert(")),
        ("statements", repeated("or 1=")),
    ]
}
