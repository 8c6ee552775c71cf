//! `sallyport drill`: whether the newest backup can be relied on, how much would be lost, and how long a restore takes.

use std::process::ExitCode;

use sallyport_recovery::{Report, drill};

use crate::backups;
use crate::cli::{DrillArguments, Places};
use crate::commands::{complain, say};
use crate::places;

pub(crate) async fn run(places: &Places, arguments: &DrillArguments) -> anyhow::Result<ExitCode> {
    let mut settings = places::settings_after_a_loss(places)?;
    if let Some(from) = &arguments.from {
        settings.stores.backup.directory.clone_from(from);
    }
    let report = drill(&backups::place(&settings, places)).await?;
    tell(&report)
}

fn tell(report: &Report) -> anyhow::Result<ExitCode> {
    if !report.passed() {
        complain(&format!(
            "The backup {} cannot be relied on:",
            report.backup
        ));
        for finding in &report.findings {
            complain(&format!("  {finding}"));
        }
        return Ok(ExitCode::FAILURE);
    }
    let settings = match report.settings_decrypted {
        Some(files) => format!("{files} files of settings decrypted"),
        None => "settings not looked at".to_owned(),
    };
    say(&format!(
        "The backup {} is sound: {} rows in {} tables as they were, the queue fits together, {settings}.",
        report.backup, report.rows_compared, report.tables_compared
    ))?;
    say(&format!(
        "RPO {:.1} s (age of the newest transaction that came back), RTO {:.1} s (until the server was ready).",
        report.rpo_seconds, report.rto_seconds
    ))?;
    Ok(ExitCode::SUCCESS)
}
