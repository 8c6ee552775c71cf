//! `sallyport queue show ID`: everything about one message, and why it stands where it stands.

use std::process::ExitCode;

use clap::Args;
use sallyport_queue::MessageId;
use sallyport_workers::desk::MessageSheet;

use super::Desk;

#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    /// The message's number
    #[arg(value_name = "ID")]
    id: i64,
}

pub(super) async fn run(desk: &Desk, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let id = MessageId(arguments.id);
    let Some(sheet) = MessageSheet::find(&desk.queue.inspect(), id).await? else {
        return Ok(desk.nothing(&format!(
            "Nothing is known of message {id}: there was none, or it is older than what is kept."
        )));
    };
    desk.tell(&sheet, || lines(&sheet))?;
    Ok(ExitCode::SUCCESS)
}

fn lines(sheet: &MessageSheet) -> String {
    let mut lines = vec![
        format!(
            "Message {} ({}) {}",
            sheet.id,
            sheet.kind,
            sheet.reasons.join("; ")
        ),
        format!("  state     {}", sheet.state),
        format!("  code      {}  (trace {})", sheet.code, sheet.trace_id),
        format!(
            "  bot       {}, tenant {}, from {}",
            sheet.bot, sheet.tenant, sheet.source
        ),
        format!("  key       {}", sheet.key),
        format!(
            "  accepted  {}, {} bytes",
            sheet.accepted_at, sheet.payload_bytes
        ),
    ];
    let also = [
        ("ended", sheet.ended_at.map(|at| at.to_string())),
        (
            "cause",
            sheet.cause.clone().map(|id| format!("message {id}")),
        ),
        (
            "replay of",
            sheet.replay_of.clone().map(|id| format!("message {id}")),
        ),
        (
            "replayed",
            sheet
                .replayed_as
                .clone()
                .map(|id| format!("as message {id}")),
        ),
        ("progress", sheet.progress.as_ref().map(progress)),
    ];
    let also = also
        .into_iter()
        .filter_map(|(name, value)| Some(format!("  {name:<9} {}", value?)));
    lines.extend(also);
    lines.extend(sheet.attempts.iter().map(|attempt| {
        let error = attempt
            .error
            .as_deref()
            .map(|error| format!(": {error}"))
            .unwrap_or_default();
        format!(
            "  attempt {} {} at {} by {}{error}",
            attempt.attempt, attempt.outcome, attempt.started_at, attempt.worker
        )
    }));
    lines.join("\n")
}

fn progress(progress: &sallyport_workers::desk::ProgressLine) -> String {
    let of = progress
        .of
        .map(|of| format!(" of {of}"))
        .unwrap_or_default();
    format!("{}{of} {}", progress.done, progress.note)
}
