//! `sallyport queue pause KIND`: begins nothing of a kind, of everything, or of a schedule, until it is resumed.

use std::process::ExitCode;

use clap::Args;
use sallyport_queue::Scope;
use sallyport_workers::desk::PauseLine;

use super::{Desk, Reason};

#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    reason: Reason,
}

/// What is paused or resumed.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(super) struct What {
    /// A kind, such as telegram.send
    #[arg(value_name = "KIND")]
    pub(super) kind: Option<String>,
    /// Everything: workers begin nothing at all
    #[arg(long)]
    pub(super) everything: bool,
    /// A schedule, by its name
    #[arg(long, value_name = "NAME")]
    pub(super) schedule: Option<String>,
}

impl What {
    pub(super) fn scope(&self) -> Scope {
        self.kind.clone().map_or(Scope::Everything, Scope::Kind)
    }
}

pub(super) async fn run(desk: &Desk, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let reason = &arguments.reason;
    if let Some(name) = &arguments.what.schedule {
        return match desk
            .queue
            .schedules()
            .pause(name, &reason.by, &reason.why)
            .await?
        {
            true => {
                desk.tell(&serde_json::json!({"paused": name}), || {
                    format!("{name} is paused.")
                })?;
                Ok(ExitCode::SUCCESS)
            }
            false => Ok(desk.nothing(&format!("No schedule is called {name}."))),
        };
    }
    let pause = desk
        .queue
        .control()
        .pause(&arguments.what.scope(), &reason.by, &reason.why)
        .await?;
    let line = PauseLine::of(pause);
    desk.tell(&line, || {
        format!(
            "{} is paused since {} by {}: {}",
            line.what, line.since, line.by, line.why
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
