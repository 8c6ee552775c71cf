//! `sallyport check-config`: every setting with where it came from, or every mistake; with `--online` also what answers.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use sallyport_kit::Verdict;

use crate::cli::{CheckArguments, Places};
use crate::commands::{say, status};
use crate::places;

/// How long all checks together may take.
const ONLINE_DEADLINE: Duration = Duration::from_secs(15);

pub(crate) async fn run(places: &Places, arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    let (settings, effective) = places::settings(places)?;
    for setting in &effective {
        say(&setting.to_string())?;
    }
    say(&format!("{} settings, no mistakes.", effective.len()))?;
    if !arguments.online {
        return Ok(ExitCode::SUCCESS);
    }
    let (report, _) = tokio::time::timeout(ONLINE_DEADLINE, status::report(&settings))
        .await
        .context("no answer in 15 s")??;
    for line in status::lines(&settings, &report)? {
        say(&line)?;
    }
    Ok(if report.verdict() == Verdict::Working {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
