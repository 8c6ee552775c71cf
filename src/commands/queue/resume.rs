//! `sallyport queue resume KIND`: lets it go on. After a restore, workers wait for `queue resume --everything` (law L15).

use std::process::ExitCode;

use clap::Args;
use sallyport_workers::desk::PauseLine;

use super::pause::What;
use super::{Desk, Reason};

#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    reason: Reason,
}

pub(super) async fn run(desk: &Desk, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let reason = &arguments.reason;
    if let Some(name) = &arguments.what.schedule {
        return match desk
            .queue
            .schedules()
            .resume(name, &reason.by, &reason.why)
            .await?
        {
            true => {
                desk.tell(&serde_json::json!({"resumed": name}), || {
                    format!("{name} goes on.")
                })?;
                Ok(ExitCode::SUCCESS)
            }
            false => Ok(desk.nothing(&format!("No schedule is called {name}."))),
        };
    }
    let ended = desk
        .queue
        .control()
        .resume(&arguments.what.scope(), &reason.by, &reason.why)
        .await?;
    let Some(pause) = ended else {
        return Ok(desk.nothing("It was not paused."));
    };
    let line = PauseLine::of(pause);
    desk.tell(&line, || {
        format!(
            "{} goes on. It was paused since {} by {}: {}",
            line.what, line.since, line.by, line.why
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
