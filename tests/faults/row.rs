//! A row of the fault table: what is injected, what is allowed, and how it is found out.
//!
//! Every row is judged by the checker alike (lost, phantom, duplicates, order); what else it must hold it adds as checks of its own.

use std::time::Duration;

use futures::future::LocalBoxFuture;
use rand::rngs::StdRng;

use crate::checker::{History, Judgement, Plant, judge, plant};
use crate::cluster::Cluster;
use crate::load::{Base, Load};
use crate::redis_server::RedisServer;
use crate::site::{Evidence, Servers, Site};

/// Leases in the rows: short, so that a takeover is quick to see.
pub(crate) const LEASE: Duration = Duration::from_secs(1);
/// The same as a setting.
pub(crate) const LEASE_SETTING: (&str, &str) = ("SALLYPORT_LEASE_MS", "1000");

/// Which repeated effects a row allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duplicates {
    /// None at all.
    Never,
    /// Sends that were interrupted, each owned up to by an ambiguous record.
    Ambiguous,
}

/// One line of the table.
pub(crate) struct Row {
    /// Its name in the table, such as `F5`.
    pub(crate) id: &'static str,
    /// What is injected.
    pub(crate) fault: &'static str,
    /// What is allowed, in the words of the table.
    pub(crate) allowed: &'static str,
    pub(crate) duplicates: Duplicates,
    pub(crate) run: fn(&mut Stage) -> LocalBoxFuture<'_, Outcome>,
}

/// What a row is run with.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) redis: RedisServer,
    pub(crate) base: Base,
    /// How long the row's load lasts, as far as time decides.
    pub(crate) lasting: Duration,
    /// Whether a row that counts its faults stops when its time is over.
    pub(crate) is_short: bool,
    pub(crate) rng: StdRng,
    /// A fault of ours that must turn the row red.
    pub(crate) planted: Option<Planted>,
}

/// A planted fault and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// In what the checker is told.
    Observation(Plant),
    /// In the house, by a fail point.
    House(Plant),
}

impl Stage {
    /// A house with short leases, ready, with the planted fault if it belongs there.
    pub(crate) async fn open(&mut self) -> Site {
        self.open_with(&[]).await
    }

    /// The same with these settings.
    pub(crate) async fn open_with(&mut self, settings: &[(&str, &str)]) -> Site {
        let settings = [&[LEASE_SETTING], settings].concat();
        let armed = self.armed();
        Site::open(self.servers().await, &settings, armed).await
    }

    /// The same, built and not started.
    pub(crate) async fn build(&mut self) -> Site {
        Site::build(self.servers().await, &[LEASE_SETTING]).await
    }

    async fn servers(&mut self) -> Servers<'_> {
        self.cluster.bring_up().await;
        self.redis.bring_up().await;
        Servers {
            postgres: &self.cluster,
            redis: &self.redis,
        }
    }

    /// Waits until the load has lasted so long.
    pub(crate) async fn wait_for(&self, load: &Load, lasting: Duration) {
        let gone = Duration::from_micros(load.now());
        tokio::time::sleep(lasting.saturating_sub(gone)).await;
    }

    /// The same with settings of the row's own and none of ours.
    pub(crate) async fn build_with(&mut self, settings: &[(&str, &str)]) -> Site {
        Site::build(self.servers().await, settings).await
    }

    /// The same on a Postgres of the row's own.
    pub(crate) async fn build_on(&mut self, cluster: &Cluster, settings: &[(&str, &str)]) -> Site {
        self.redis.bring_up().await;
        let servers = Servers {
            postgres: cluster,
            redis: &self.redis,
        };
        Site::build(servers, settings).await
    }

    /// Starts what was built, with these points armed in every worker at every start, and the planted fault if it belongs there.
    pub(crate) async fn start(&self, site: &mut Site, points: &str) {
        site.planted = format!("{points};{}", self.armed());
        site.start().await;
    }

    /// One of two times: at full length, or short.
    pub(crate) fn either(&self, full: Duration, short: Duration) -> Duration {
        if self.is_short { short } else { full }
    }

    fn armed(&self) -> &'static str {
        match self.planted {
            Some(Planted::House(Plant::Loss)) => "loss=25*off->1*return",
            Some(Planted::House(Plant::Double)) => "double=25*off->1*return",
            Some(Planted::Observation(_)) | None => "",
        }
    }
}

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Holds,
    /// What it would take is not built. Never green, and no failure of what is.
    NotAvailable,
    Broken,
}

/// One thing that must hold, and what was seen.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(crate) what: String,
    pub(crate) verdict: Verdict,
}

/// What a row came to.
#[derive(Default)]
pub(crate) struct Outcome {
    evidence: Option<Evidence>,
    pub(crate) facts: Vec<String>,
    pub(crate) checks: Vec<Check>,
}

impl Outcome {
    /// Judged by this evidence.
    pub(crate) fn of(evidence: Evidence) -> Self {
        Self {
            evidence: Some(evidence),
            ..Self::default()
        }
    }

    /// A row that cannot be run.
    pub(crate) fn not_available(why: &str) -> Self {
        let mut outcome = Self::default();
        outcome.lacks(why);
        outcome
    }

    /// Something worth telling.
    pub(crate) fn fact(&mut self, fact: impl Into<String>) {
        self.facts.push(fact.into());
    }

    /// Something that must hold.
    pub(crate) fn check(&mut self, what: impl Into<String>, holds: bool) {
        let verdict = if holds {
            Verdict::Holds
        } else {
            Verdict::Broken
        };
        let what = what.into();
        self.checks.push(Check { what, verdict });
    }

    /// The same for what needs a part of the house that may not be there.
    pub(crate) fn check_with(&mut self, part: &str, is_there: bool, what: &str, holds: bool) {
        if is_there {
            self.check(what, holds);
        } else {
            self.lacks(&format!("{what}; {part}"));
        }
    }

    /// Something that cannot be shown.
    pub(crate) fn lacks(&mut self, what: &str) {
        self.checks.push(Check {
            what: format!("not available: {what}"),
            verdict: Verdict::NotAvailable,
        });
    }

    /// The evidence, for a row's own questions.
    pub(crate) fn evidence(&self) -> Option<&Evidence> {
        self.evidence.as_ref()
    }

    /// Lets the checker judge, with the planted fault if it belongs there, and adds what every row must hold.
    pub(crate) fn judged(&mut self, row: &Row, planted: Option<Planted>) -> Option<Judgement> {
        let evidence = self.evidence.as_ref()?;
        let (mut history, audits) = (evidence.history.clone(), evidence.audits);
        if let Some(Planted::Observation(fault)) = planted {
            plant(&mut history, fault);
        }
        let judgement = judge(&history);
        let (lost, phantom) = (judgement.lost.len(), judgement.phantom.len());
        self.check(sample("lost", &judgement.lost), lost == 0);
        self.check(sample("phantom", &judgement.phantom), phantom == 0);
        let (doubled, unexplained) = (judgement.doubled(), judgement.unexplained());
        let is_allowed = match row.duplicates {
            Duplicates::Never => doubled == 0,
            Duplicates::Ambiguous => unexplained == 0,
        };
        let owned_up = doubled - unexplained;
        let words = format!("duplicates {doubled}, {owned_up} with their ambiguous record");
        self.check(words, is_allowed);
        let disordered: Vec<u64> = judgement.disordered.iter().map(|pair| pair.0).collect();
        self.check(sample("out of order", &disordered), disordered.is_empty());
        let words = format!(
            "the auditor found {} missing in {} looks",
            audits.missing, audits.looks
        );
        self.check(words, audits.missing <= 0.0 && audits.looks > 0);
        self.check("some messages were accepted", judgement.accepted > 0);
        self.check("a planted fault is noticed", notices_plants(&history));
        Some(judgement)
    }

    /// The worst of its checks.
    pub(crate) fn verdict(&self) -> Verdict {
        let verdicts = self.checks.iter().map(|check| check.verdict);
        verdicts.max().unwrap_or(Verdict::NotAvailable)
    }
}

/// Whether one loss and one double, planted into this very history, would have been found.
fn notices_plants(history: &History) -> bool {
    let (mut lossy, mut doubled) = (history.clone(), history.clone());
    plant(&mut lossy, Plant::Loss);
    plant(&mut doubled, Plant::Double);
    let before = judge(history);
    judge(&lossy).lost.len() == before.lost.len() + 1
        && judge(&doubled).unexplained() == before.unexplained() + 1
}

/// How many there are, and the first few by number.
fn sample(what: &str, numbers: &[u64]) -> String {
    const SHOWN: usize = 5;
    let count = numbers.len();
    let few: Vec<String> = numbers.iter().take(SHOWN).map(u64::to_string).collect();
    if few.is_empty() {
        format!("{what} {count}")
    } else {
        format!("{what} {count} (numbers {} …)", few.join(", "))
    }
}

/// A time for people: milliseconds below ten seconds.
pub(crate) fn spell(time: Option<Duration>) -> String {
    match time {
        None => "never".to_owned(),
        Some(time) if time < Duration::from_secs(10) => format!("{} ms", time.as_millis()),
        Some(time) => format!("{:.1} s", time.as_secs_f64()),
    }
}
