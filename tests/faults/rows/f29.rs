//! F29: settings that cannot be are put in place of good ones, again and again, and good ones after them. The edge goes by good ones alone.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::front;
use crate::outfit::free_port;
use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F29",
    fault: "100 reloads under load, every other one of a file with a mistake: its syntax, an unknown key, a type, a range, bytes that are no text, \
            a folder in its place; a start on a port that is taken",
    allowed: "0 failed requests; a mistake leaves the old settings in force, its metric is 0, and the exit code of `check-config` is not",
    duplicates: Duplicates::Never,
    run,
};

const PAIRS: usize = 50;
const SHORT_PAIRS: usize = 12;
const METRIC: &str = "sallyport_config_last_reload_successful";
const TOLD_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(10);

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    reload(stage).boxed_local()
}

/// What is wrong with a file, and what stands in it; nothing: it is a folder.
type Mistake = (&'static str, Option<Vec<u8>>);

/// How a mistake and what was good after it went.
struct Turn {
    mistake: &'static str,
    /// Until the metric said that it was refused, and that the good one was taken.
    refused: Option<Duration>,
    taken: Option<Duration>,
    /// Whether the exit code said so too.
    is_found: bool,
    /// Whether the page that only the settings before it know was still there.
    is_kept: bool,
}

/// The file that is changed, and what stands in it when it is good.
struct Settings {
    file: PathBuf,
    good: String,
}

async fn reload(stage: &mut Stage) -> Outcome {
    let folder = front::settings("", None);
    let path = folder.path().to_str().unwrap().to_owned();
    let site = stage.open_with(&[("SALLYPORT_CONFIG", &path)]).await;
    let settings = Settings::at(folder.path());
    let load = site.load(stage.base);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let from = load.now();
    let pairs = if stage.is_short { SHORT_PAIRS } else { PAIRS };
    let mistakes = settings.mistakes();
    let mut turns = Vec::new();
    for (number, mistake) in mistakes.iter().cycle().take(pairs).enumerate() {
        turns.push(settings.turn(&site, number, mistake).await);
    }
    let second = start_another(&site);
    let to = load.now();

    let mut outcome = Outcome::of(site.evidence(load).await);
    let count = |holds: fn(&Turn) -> bool| turns.iter().filter(|turn| holds(turn)).count();
    let refused = count(|turn| turn.refused.is_some());
    let longest = |time: fn(&Turn) -> Option<Duration>| spell(turns.iter().filter_map(time).max());
    outcome.check(
        format!(
            "{} of {} kinds of mistakes: {refused} refused, the metric said so after {} at the latest",
            turns.len(),
            mistakes.len(),
            longest(|turn| turn.refused)
        ),
        refused == turns.len(),
    );
    let taken = count(|turn| turn.taken.is_some());
    let words = format!(
        "{taken} good ones after them, taken after {} at the latest",
        longest(|turn| turn.taken)
    );
    outcome.check(words, taken == turns.len());
    let kept = count(|turn| turn.is_kept);
    let words = format!("the old settings in force meanwhile {kept} times");
    outcome.check(words, kept == turns.len());
    let missed = turns.iter().find(|turn| !turn.is_found);
    let missed = missed.map_or("", |turn| turn.mistake);
    let found = count(|turn| turn.is_found);
    let words = format!("`check-config` ended with an error {found} times {missed}");
    outcome.check(words, found == turns.len());
    outcome.check(
        "a second edge on the same port ended with an error and named the setting",
        second,
    );
    front::check_neighbours(&mut outcome, &format!("{} reloads", 2 * pairs), from, to);
    outcome
}

impl Settings {
    fn at(folder: &Path) -> Self {
        let file = folder.join("gateway.yaml");
        let good = std::fs::read_to_string(&file).unwrap();
        Self { file, good }
    }

    fn mistakes(&self) -> Vec<Mistake> {
        let good = &self.good;
        let more = |line: &str| Some(format!("{good}{line}\n").into_bytes());
        vec![
            ("syntax", more("routes: [")),
            ("an unknown key", more("conections: {}")),
            ("a type", more("drain_deadline_ms: soon")),
            ("a range", more("drain_deadline_ms: 1")),
            ("bytes that are no text", Some(vec![0xff, 0xfe, 0x00])),
            ("a folder", None),
        ]
    }

    /// A mistake, and good settings of the so manieth turn after it.
    async fn turn(&self, site: &Site, number: usize, (mistake, text): &Mistake) -> Turn {
        match text {
            Some(text) => std::fs::write(&self.file, text).unwrap(),
            None => {
                std::fs::remove_file(&self.file).unwrap();
                std::fs::create_dir(&self.file).unwrap();
            }
        }
        site.gateway.signal("HUP");
        let refused = told(site, 0.0).await;
        let checked = site.outfit.command(&["check-config"]).output().unwrap();
        // Each turn's page is gone with the next.
        let is_kept = number == 0 || page(site, number - 1).await == Some(200);
        if text.is_none() {
            std::fs::remove_dir(&self.file).unwrap();
        }
        let route = format!("  - {{ path: /turn-{number}, health: live }}\n");
        std::fs::write(&self.file, format!("{}{route}", self.good)).unwrap();
        site.gateway.signal("HUP");
        Turn {
            mistake,
            refused,
            taken: told(site, 1.0).await,
            is_found: !checked.status.success(),
            is_kept,
        }
    }
}

/// How long it takes until the metric has this value.
async fn told(site: &Site, value: f64) -> Option<Duration> {
    let began = Instant::now();
    while began.elapsed() < TOLD_WITHIN {
        let told = site.gateway.metric(&site.client, METRIC).await;
        if told.is_some_and(|told| (told - value).abs() < 0.5) {
            return Some(began.elapsed());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    None
}

/// The status of the page that only the settings of this turn have.
async fn page(site: &Site, number: usize) -> Option<u16> {
    let url = format!("http://127.0.0.1:{}/turn-{number}", site.outfit.doors.http);
    let answer = site.client.get(url).send().await;
    Some(answer.ok()?.status().as_u16())
}

/// Whether an edge that finds its port taken ends with an error that says what to set.
fn start_another(site: &Site) -> bool {
    let mut command = site.outfit.command(&["gateway"]);
    command.env(
        "SALLYPORT_ADMIN_LISTEN",
        format!("127.0.0.1:{}", free_port()),
    );
    let spool = site.outfit.home.path().join("another-spool");
    command.env("SALLYPORT_SPOOL_DIR", spool);
    let ended = command.output().unwrap();
    let words = [ended.stdout, ended.stderr].concat();
    !ended.status.success() && String::from_utf8_lossy(&words).contains("SALLYPORT_HTTP_LISTEN")
}
