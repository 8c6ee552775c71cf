//! `sallyport queue retry ID…`: what waits for its next attempt runs now; a dead letter is put back.

use std::process::ExitCode;

use clap::Args;
use sallyport_queue::{Key, MessageId};
use sallyport_workers::desk::MessageSheet;
use serde::Serialize;

use super::{Desk, Reason};

#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    /// The messages' numbers
    #[arg(required = true, value_name = "ID")]
    ids: Vec<i64>,
    #[command(flatten)]
    reason: Reason,
}

#[derive(Serialize)]
struct Retried {
    id: String,
    done: String,
}

pub(super) async fn run(desk: &Desk, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut outcome = ExitCode::SUCCESS;
    for id in arguments.ids.iter().copied().map(MessageId) {
        match retry(desk, id, &arguments.reason).await? {
            Some(done) => {
                let told = Retried {
                    id: id.to_string(),
                    done,
                };
                desk.tell(&told, || format!("Message {id}: {}", told.done))?;
            }
            None => {
                outcome = desk.refuse(&format!(
                    "Message {id} neither waits for its time nor is a dead letter that nobody replayed."
                ));
            }
        }
    }
    Ok(outcome)
}

async fn retry(desk: &Desk, id: MessageId, reason: &Reason) -> anyhow::Result<Option<String>> {
    if desk
        .queue
        .replays()
        .hurry(id, &reason.by, &reason.why)
        .await?
    {
        return Ok(Some("is due now".to_owned()));
    }
    if unparked(desk, id).await? {
        return Ok(Some(
            "the message before it, which it waits for, is due now".to_owned(),
        ));
    }
    let put_back = desk
        .queue
        .dead_letters()
        .retry(&[id], &reason.by, &reason.why)
        .await?;
    Ok(put_back
        .first()
        .map(|(_, new)| format!("put back as message {new}")))
}

/// A message that is held waits for the head of its key: that is what has to be tried again.
async fn unparked(desk: &Desk, id: MessageId) -> anyhow::Result<bool> {
    match MessageSheet::find(&desk.queue.inspect(), id).await? {
        Some(sheet) if sheet.state == "held" => {
            Ok(desk.queue.unpark(&Key::new(&sheet.key)).await?)
        }
        _ => Ok(false),
    }
}
