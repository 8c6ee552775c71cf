//! `sallyport version`: what to quote in a report.

use std::process::ExitCode;

use crate::commands::say;
use crate::version::{REVISION, VERSION};

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let profile = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    say(&format!(
        "sallyport {VERSION} revision {REVISION} ({profile}, {})",
        std::env::consts::ARCH
    ))?;
    Ok(ExitCode::SUCCESS)
}
