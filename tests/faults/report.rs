//! The table: each row as it comes in, the totals in the words of a test run, and `docs/faults.md`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::checker::Judgement;
use crate::number_of;
use crate::order::Order;
use crate::row::{Outcome, Verdict, spell};

/// The beginning of `docs/faults.md`.
const HEAD: &str = "# Faults\n\n\
What the house was seen to survive: `make faults WRITE=yes` writes this page. Judged by what clients were answered and what the\n\
stand-ins received; each row notices a loss and a double planted into its own history. `tests/faults/main.rs` says how to run a row alone.\n\n\
| row | fault | allowed | seen | result | run |\n|---|---|---|---|---|---|\n";

/// One row and what it came to.
pub(crate) struct Line {
    id: String,
    fault: String,
    allowed: String,
    seen: Vec<(Verdict, String)>,
    verdict: Verdict,
    pub(crate) took: Duration,
    seed: u64,
    rate: u32,
}

impl Line {
    /// A row that has not run yet.
    pub(crate) fn new(id: &str, fault: &str, allowed: &str, order: &Order) -> Self {
        Self {
            id: id.to_owned(),
            fault: fault.to_owned(),
            allowed: allowed.to_owned(),
            seen: Vec::new(),
            verdict: Verdict::NotAvailable,
            took: Duration::ZERO,
            seed: order.seed,
            rate: order.rate,
        }
    }

    /// Takes down what was seen.
    pub(crate) fn finish(&mut self, outcome: Outcome, judgement: Option<Judgement>) {
        if let Some(judgement) = judgement {
            let Judgement {
                accepted,
                unknown,
                refused,
                effects,
                ..
            } = judgement;
            let words = format!(
                "{accepted} accepted, {unknown} without an answer, {refused} refused, {effects} effects"
            );
            self.seen.push((Verdict::Holds, words));
        }
        if let Some(evidence) = outcome.evidence() {
            let p99 = evidence.told.times(0, u64::MAX).quantile(0.99);
            let words = format!("p99 of all webhooks {}", spell(p99));
            self.seen.push((Verdict::Holds, words));
            let hints = evidence.hints.iter().cloned();
            self.seen.extend(hints.map(|hint| (Verdict::Holds, hint)));
        }
        self.verdict = outcome.verdict();
        let facts = outcome.facts.into_iter().map(|fact| (Verdict::Holds, fact));
        self.seen.extend(facts);
        let checks = outcome.checks.into_iter();
        self.seen
            .extend(checks.map(|check| (check.verdict, check.what)));
    }

    /// Whether the run fails by it. What is not built fails the full run only: there it is red.
    pub(crate) fn fails(&self, is_test: bool) -> bool {
        match self.verdict {
            Verdict::Holds => false,
            Verdict::NotAvailable => !is_test,
            Verdict::Broken => true,
        }
    }

    /// Shows it to whoever waits.
    pub(crate) fn print(&self) {
        let Self { id, fault, .. } = self;
        println!(
            "\n{id}  {fault}: {} ({})",
            self.result(),
            spell(Some(self.took))
        );
        for (verdict, what) in &self.seen {
            let mark = match verdict {
                Verdict::Holds => "  ",
                Verdict::NotAvailable => "--",
                Verdict::Broken => "!!",
            };
            println!("   {mark} {what}");
        }
    }

    fn result(&self) -> &'static str {
        match self.verdict {
            Verdict::Holds => "green",
            Verdict::NotAvailable => "RED (not available)",
            Verdict::Broken => "RED",
        }
    }

    fn table_row(&self) -> String {
        let seen: Vec<String> = self
            .seen
            .iter()
            .map(|(verdict, what)| match verdict {
                Verdict::Holds | Verdict::NotAvailable => what.clone(),
                Verdict::Broken => format!("**{what}**"),
            })
            .collect();
        let run = format!(
            "{} {}, {} s at {}/s, seed {}",
            Timestamp::now().strftime("%Y-%m-%d"),
            machine(),
            self.took.as_secs(),
            self.rate,
            self.seed
        );
        let Self {
            id, fault, allowed, ..
        } = self;
        let (seen, result) = (seen.join("; "), self.result());
        format!("| {id} | {fault} | {allowed} | {seen} | {result} | {run} |")
    }
}

/// The totals, as a test program words them.
pub(crate) fn sum_up(lines: &[Line], is_test: bool) {
    let failed = lines.iter().filter(|line| line.fails(is_test)).count();
    let passed = lines
        .iter()
        .filter(|line| line.verdict == Verdict::Holds)
        .count();
    let skipped = lines.len() - failed - passed;
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {result}. {passed} passed; {failed} failed; {skipped} ignored; 0 measured; 0 filtered out\n"
    );
}

/// Puts a row into `docs/faults.md`; the others stay as they were.
pub(crate) fn write(line: &Line) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let before = std::fs::read_to_string(&page).unwrap_or_default();
    let mut rows: BTreeMap<(u64, String), String> = before
        .lines()
        .filter_map(|line| {
            let id = line.strip_prefix("| F")?.split_once(' ')?.0;
            Some(((number_of(id), format!("F{id}")), line.to_owned()))
        })
        .collect();
    rows.insert((number_of(&line.id), line.id.clone()), line.table_row());
    let table: Vec<String> = rows.into_values().collect();
    std::fs::write(page, format!("{HEAD}{}\n", table.join("\n"))).unwrap();
}

/// The processor, how many of them, and the memory.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (processors, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = value(&processors, "model name").unwrap_or_else(|| "unknown".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kilobytes = value(&memory, "MemTotal").unwrap_or_default();
    let kilobytes: u64 = kilobytes.trim_end_matches(" kB").parse().unwrap_or(0);
    format!("{cores} × {model}, {} GB", kilobytes >> 20)
}
