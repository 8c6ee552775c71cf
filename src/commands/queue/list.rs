//! `sallyport queue list`: a page of messages, with the reason why each stands where it stands.

use std::process::ExitCode;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use sallyport_queue::{ListCursor, ListFilter, ListState};
use sallyport_workers::desk::MessageLine;
use serde::Serialize;

use super::Desk;
use super::table::table;

#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    /// ready, running, held, delayed, dead, cancelled, expired, ignored or erased; without it what waits or runs
    #[arg(long)]
    state: Option<ListState>,
    /// Only this kind, such as telegram.send
    #[arg(long)]
    kind: Option<String>,
    /// Only this key
    #[arg(long)]
    key: Option<String>,
    /// Only this bot
    #[arg(long)]
    bot: Option<String>,
    /// Only this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Only those whose last error was of this kind
    #[arg(long)]
    error: Option<String>,
    /// Only those accepted longer ago than this, such as 15m
    #[arg(long, value_name = "SPAN")]
    older_than: Option<SignedDuration>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: u16,
    /// Go on where an earlier page ended
    #[arg(long, value_name = "NEXT")]
    after: Option<ListCursor>,
}

#[derive(Serialize)]
struct List {
    messages: Vec<MessageLine>,
    next: Option<String>,
}

pub(super) async fn run(desk: &Desk, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let now = Timestamp::now();
    let before = arguments
        .older_than
        .map(|span| now.checked_sub(span))
        .transpose()?;
    let filter = ListFilter {
        state: arguments.state,
        kind: arguments.kind.clone(),
        key: arguments.key.clone(),
        bot: arguments.bot.clone(),
        tenant: arguments.tenant.clone(),
        error_kind: arguments.error.clone(),
        before,
        limit: arguments.limit,
    };
    let inspector = desk.queue.inspect();
    let found = inspector.list(&filter, arguments.after).await?;
    let list = List {
        messages: MessageLine::page(&inspector, found.entries, now).await?,
        next: found.next.map(|next| next.to_string()),
    };
    desk.tell(&list, || lines(&list))?;
    Ok(ExitCode::SUCCESS)
}

fn lines(list: &List) -> String {
    let rows: Vec<[String; 6]> = list
        .messages
        .iter()
        .map(|line| {
            [
                line.id.clone(),
                line.state.clone(),
                line.kind.clone(),
                line.key.clone(),
                line.code.to_string(),
                line.reason.clone(),
            ]
        })
        .collect();
    let mut text = match rows.is_empty() {
        true => "Nothing here.".to_owned(),
        false => table(["MESSAGE", "STATE", "KIND", "KEY", "CODE", "WHY"], &rows),
    };
    if let Some(next) = &list.next {
        text.push_str(&format!("\nThere may be more: --after {next}"));
    }
    text
}
