//! A dry run: what the inspection would do to recorded requests.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use sallyport_security::inspection::{InspectionSettings, Inspector, Verdict};
use validator::Validate;

use crate::corpus;

/// Judges the requests of a file, and prints the verdicts and the findings that stand behind them: which rule in which field, how often.
///
/// # Errors
/// When a file cannot be read, or the settings are unsound.
pub(crate) fn run(recorded: &Path, settings: Option<&Path>) -> Result<()> {
    let settings = match settings {
        Some(file) => {
            let text = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
            serde_json::from_slice(&text).with_context(|| format!("reading {}", file.display()))?
        }
        None => InspectionSettings::default(),
    };
    settings
        .validate()
        .map_err(|mistakes| anyhow!("{mistakes}"))?;
    let inspector = Inspector::new(&settings);
    let (mut verdicts, mut findings) = (
        BTreeMap::<Verdict, usize>::new(),
        BTreeMap::<_, usize>::new(),
    );
    for request in corpus::read(recorded)? {
        let report = inspector.inspect(&request.parts());
        *verdicts.entry(report.verdict).or_default() += 1;
        for finding in report.findings {
            let place = (
                report.verdict,
                finding.rule,
                finding.part,
                finding.field.to_string(),
            );
            *findings.entry(place).or_default() += 1;
        }
    }
    for (verdict, count) in verdicts.iter().rev() {
        println!("{:<9} {count:>8} requests", format!("{verdict:?}"));
    }
    for ((verdict, rule, part, field), count) in findings.iter().rev() {
        println!(
            "{:<9} {count:>8} {rule} {} {field}",
            format!("{verdict:?}"),
            part.name()
        );
    }
    Ok(())
}
