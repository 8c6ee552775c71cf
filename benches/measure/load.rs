//! The load: h2load, which costs little itself and is nobody's own client.

use std::path::Path;
use std::process::Command;

/// Connections that ask without a pause, each for one thing at a time.
const CLIENTS: &str = "64";

/// What is asked for.
pub(crate) struct Request<'r> {
    pub(crate) url: &'r str,
    /// What is posted, as JSON; absent: GET.
    pub(crate) body: Option<&'r Path>,
}

/// What came back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answers {
    pub(crate) count: usize,
    pub(crate) per_second: f64,
}

/// The fields of a browser's request, about 600 bytes of them.
const FIELDS: [&str; 6] = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Accept: application/json,text/html;q=0.9,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
    "Cookie: theme=dark; session=5f1c2a0e9b8d4c7fa6e3; consent=necessary",
    "Referer: https://shop.example.org/catalogue/garden?page=2",
    "Authorization: Bearer 8Zt4bq0yJx2mK7uQ1sVd9LrWcNfHgTpEoXaYiBkC",
];

/// Asks for so many seconds.
///
/// # Panics
/// When h2load is not there, or when any answer is none of success: what is measured then is something else.
pub(crate) fn ask(request: &Request<'_>, seconds: u64) -> Answers {
    let mut command = Command::new("h2load");
    command.args(["--h1", "-t", "1", "-c", CLIENTS]);
    command.args(["-D", &seconds.to_string()]);
    for field in FIELDS {
        command.args(["-H", field]);
    }
    if let Some(body) = request.body {
        command.args(["-H", "Content-Type: application/json"]);
        command.arg("-d").arg(body);
    }
    let output = command.arg(request.url).output().expect("h2load is there");
    let text = String::from_utf8_lossy(&output.stdout);
    read(&text).unwrap_or_else(|| panic!("{}: {text}", request.url))
}

fn read(text: &str) -> Option<Answers> {
    let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    let rate = line("finished in ")?
        .split(", ")
        .find_map(|part| part.strip_suffix(" req/s"))?;
    let mut statuses = line("status codes: ")?.split(", ");
    let succeeded = statuses.next()?.strip_suffix(" 2xx")?.parse().ok()?;
    let all_succeeded = statuses.all(|status| status.starts_with("0 "));
    (all_succeeded && succeeded > 0).then_some(Answers {
        count: succeeded,
        per_second: rate.parse().ok()?,
    })
}
