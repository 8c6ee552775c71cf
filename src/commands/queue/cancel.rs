//! `sallyport queue cancel ID`: ends a message that waits or runs; the worker that owns it carries that out.

use std::process::ExitCode;

use clap::Args;
use sallyport_queue::{CancelAnswer, MessageId};
use serde::Serialize;

use super::{Desk, Reason};

#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    /// The message's number
    #[arg(value_name = "ID")]
    id: i64,
    #[command(flatten)]
    reason: Reason,
}

#[derive(Serialize)]
struct Told {
    id: String,
    done: &'static str,
}

pub(super) async fn run(desk: &Desk, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let id = MessageId(arguments.id);
    let reason = &arguments.reason;
    let done = match desk
        .queue
        .control()
        .cancel(id, &reason.by, &reason.why)
        .await?
    {
        CancelAnswer::Ordered => "ordered",
        CancelAnswer::AlreadyOrdered(_) => "ordered before",
        CancelAnswer::AlreadyEnded { outcome, at, .. } => {
            let sentence = format!(
                "Message {id} ended as {} at {at}; nothing was changed.",
                outcome.as_str()
            );
            return Ok(desk.refuse(&sentence));
        }
        CancelAnswer::Unknown => {
            return Ok(desk.nothing(&format!("Nothing is known of message {id}.")));
        }
    };
    let told = Told {
        id: id.to_string(),
        done,
    };
    desk.tell(&told, || {
        format!("Message {id}: its end is {done}; the worker that owns it ends it within a second.")
    })?;
    Ok(ExitCode::SUCCESS)
}
