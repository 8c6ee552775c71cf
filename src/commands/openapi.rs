//! `sallyport openapi`: the OpenAPI document of the engineers' API, as the committed copy `docs/api/ops.openapi.json` has it.

use std::process::ExitCode;

use crate::commands::say;

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    // It ends with the line break that `say` adds.
    say(sallyport_workers::api::document().trim_end())?;
    Ok(ExitCode::SUCCESS)
}
