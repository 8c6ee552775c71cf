//! `sallyport queue schedules`: what happens by the calendar, with its next five times.

use std::process::ExitCode;

use clap::Args;
use sallyport_workers::desk::ScheduleLine;

use super::Desk;
use super::table::table;

#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    /// Go on behind this name
    #[arg(long, default_value = "", value_name = "NAME")]
    after: String,
}

pub(super) async fn run(desk: &Desk, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let found = desk.queue.schedules().list(&arguments.after).await?;
    let schedules: Vec<ScheduleLine> = found.into_iter().map(ScheduleLine::of).collect();
    desk.tell(&schedules, || lines(&schedules))?;
    Ok(ExitCode::SUCCESS)
}

fn lines(schedules: &[ScheduleLine]) -> String {
    if schedules.is_empty() {
        return "Nothing is scheduled.".to_owned();
    }
    let rows: Vec<[String; 4]> = schedules
        .iter()
        .map(|schedule| {
            let when = match (&schedule.cron, &schedule.zone) {
                (Some(cron), Some(zone)) => format!("{cron} {zone}"),
                _ => "by a fixed time".to_owned(),
            };
            let next = match &schedule.paused {
                Some(paused) => format!(
                    "paused since {} by {}: {}",
                    paused.since, paused.by, paused.why
                ),
                None => schedule
                    .next
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" "),
            };
            [schedule.name.clone(), schedule.kind.clone(), when, next]
        })
        .collect();
    table(["SCHEDULE", "KIND", "WHEN", "NEXT"], &rows)
}
