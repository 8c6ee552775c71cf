//! Blocked and passed, by class, place, source and rule, and the gates on them.

use std::collections::BTreeMap;

use sallyport_security::inspection::{Inspector, Report, RuleId, Verdict};

use crate::corpus::Request;

/// The least share of attacks that must be blocked, by class, wherever they stand.
const BLOCKED_AT_LEAST: [(&str, f64); 3] = [("sqli", 0.95), ("xss", 0.97), ("traversal", 0.97)];
/// The parts that requirements name; recorded requests carry their attacks elsewhere as well.
const PLACES: [&str; 3] = ["path", "query", "headers"];
/// The largest share of harmless requests that may be blocked, and how many there have to be.
const BLOCKED_AT_MOST: f64 = 0.001;
const BENIGN_AT_LEAST: usize = 10_000;
/// Bytes of one miss that are shown.
const MISS_BYTES_MAX: usize = 300;

/// So many were judged, so many of them blocked.
#[derive(Clone, Copy, Default)]
struct Tally {
    judged: usize,
    blocked: usize,
}

impl Tally {
    fn count(&mut self, blocked: bool) {
        self.judged += 1;
        self.blocked += usize::from(blocked);
    }

    fn share(self) -> f64 {
        self.blocked as f64 / self.judged.max(1) as f64
    }

    fn shown(self) -> String {
        format!(
            "{:>6} of {:>6} {:>7.2} %",
            self.blocked,
            self.judged,
            self.share() * 100.0
        )
    }
}

/// The seen half and the unseen one.
#[derive(Clone, Copy, Default)]
struct Halves {
    seen: Tally,
    unseen: Tally,
}

impl Halves {
    fn count(&mut self, unseen: bool, blocked: bool) {
        let half = if unseen {
            &mut self.unseen
        } else {
            &mut self.seen
        };
        half.count(blocked);
    }
}

type Table<K> = BTreeMap<K, Halves>;

/// Judges the attacks, prints what was blocked, and returns the gates that failed.
pub(crate) fn attacks(inspector: &Inspector, requests: &[Request], misses: bool) -> Vec<String> {
    let (mut by_class, mut by_place, mut by_source) = (Table::new(), Table::new(), Table::new());
    let mut rules = BTreeMap::new();
    for request in requests {
        let report = inspector.inspect(&request.parts());
        let blocked = report.verdict == Verdict::Block;
        let class = request.class.as_str();
        let count = |halves: &mut Halves| halves.count(request.unseen, blocked);
        count(by_class.entry(class).or_default());
        count(by_place.entry((class, request.place.as_str())).or_default());
        count(
            by_source
                .entry((class, request.source.as_str()))
                .or_default(),
        );
        count_rules(&mut rules, &report);
        if misses && !blocked && !request.unseen {
            show(request, &report);
        }
    }
    println!("\nAttacks blocked                     seen half                  unseen half");
    for (class, halves) in &by_class {
        line(class, halves);
    }
    for ((class, place), halves) in &by_place {
        line(&format!("{class} in {place}"), halves);
    }
    for ((class, source), halves) in &by_source {
        line(&format!("{class} from {source}"), halves);
    }
    show_rules("attacks", &rules);
    missed_gates(&by_class, &by_place)
}

fn missed_gates(by_class: &Table<&str>, by_place: &Table<(&str, &str)>) -> Vec<String> {
    let mut failed = Vec::new();
    for (class, least) in BLOCKED_AT_LEAST {
        let places =
            PLACES.map(|place| (format!("{class} in {place}"), by_place.get(&(class, place))));
        for (name, halves) in places
            .into_iter()
            .chain([(class.to_owned(), by_class.get(class))])
        {
            let halves = halves.copied().unwrap_or_default();
            for (half, tally) in [("seen", halves.seen), ("unseen", halves.unseen)] {
                if tally.share() < least {
                    failed.push(format!(
                        "{name}, {half} half: {} blocked, at least {} % wanted",
                        tally.shown(),
                        least * 100.0
                    ));
                }
            }
        }
    }
    failed
}

/// Judges what is harmless, prints what was blocked of it, and returns the gates that failed.
pub(crate) fn benign(inspector: &Inspector, requests: &[Request], misses: bool) -> Vec<String> {
    let (mut all, mut by_source) = (Halves::default(), Table::new());
    let mut rules = BTreeMap::new();
    for request in requests {
        let report = inspector.inspect(&request.parts());
        let blocked = report.verdict == Verdict::Block;
        all.count(request.unseen, blocked);
        by_source
            .entry((request.source.as_str(), request.place.as_str()))
            .or_insert_with(Halves::default)
            .count(request.unseen, blocked);
        if blocked {
            count_rules(&mut rules, &report);
        }
        if misses && blocked && !request.unseen {
            show(request, &report);
        }
    }
    println!("\nHarmless requests blocked           seen half                  unseen half");
    for ((source, place), halves) in &by_source {
        line(&format!("{source} in {place}"), halves);
    }
    line("all", &all);
    show_rules("harmless requests that were blocked", &rules);
    let mut failed = Vec::new();
    for (half, tally) in [("seen", all.seen), ("unseen", all.unseen)] {
        if tally.share() > BLOCKED_AT_MOST {
            failed.push(format!(
                "harmless, {half} half: {} blocked, at most {} % wanted",
                tally.shown(),
                BLOCKED_AT_MOST * 100.0
            ));
        }
        if tally.judged < BENIGN_AT_LEAST {
            failed.push(format!(
                "harmless, {half} half: {} requests, at least {BENIGN_AT_LEAST} wanted",
                tally.judged
            ));
        }
    }
    failed
}

fn line(name: &str, halves: &Halves) {
    println!(
        "  {name:<32} {} {}",
        halves.seen.shown(),
        halves.unseen.shown()
    );
}

fn count_rules(rules: &mut BTreeMap<RuleId, usize>, report: &Report) {
    let matched: std::collections::BTreeSet<RuleId> =
        report.findings.iter().map(|finding| finding.rule).collect();
    for rule in matched {
        *rules.entry(rule).or_default() += 1;
    }
}

fn show_rules(of: &str, rules: &BTreeMap<RuleId, usize>) {
    println!("\nRules that matched {of}");
    for (rule, count) in rules {
        println!("  {:<28} {count:>7}", rule.rule().id);
    }
}

fn show(request: &Request, report: &Report) {
    let rules: Vec<&str> = report
        .findings
        .iter()
        .map(|finding| finding.rule.rule().id)
        .collect();
    let shown: String = request.shown().chars().take(MISS_BYTES_MAX).collect();
    println!(
        "MISS {} {} {} [{}] {shown}",
        request.class,
        request.source,
        request.place,
        rules.join(" ")
    );
}
