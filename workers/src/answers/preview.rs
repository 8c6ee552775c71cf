//! The edits between an answer's first and last form.
//!
//! Previews may be dropped, so they are never queued: a task of the attempt shows the newest text whenever the pace of
//! the chat allows it, and ends before the attempt's settlement, so that no preview can overwrite the final text.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_telegram::{TEXT_UNITS_MAX, TextEdit, format_growing, split};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Answers, Spot};
use crate::bots::Bot;
use crate::delivery::pacing::{Step, Turn};

/// What one answer's previews need.
pub(crate) struct Preview {
    pub(crate) answers: Arc<Answers>,
    pub(crate) bot: Arc<Bot>,
    pub(crate) spot: Spot,
    pub(crate) to_group: bool,
    /// The shortest time between two edits.
    pub(crate) every: Duration,
    /// Ended when text shows.
    pub(crate) typing: CancellationToken,
}

impl Preview {
    /// Shows what `latest` holds until `done` fires. An edit that is on its way is waited for.
    pub(crate) async fn run(self, mut latest: watch::Receiver<String>, done: CancellationToken) {
        let first = self.answers.first_message(&self.spot);
        let Some(message) = done.run_until_cancelled(first).await else {
            return;
        };
        self.typing.cancel();
        let mut shown = String::new();
        loop {
            let pause = async {
                tokio::time::sleep(self.every).await;
                latest.changed().await
            };
            match done.run_until_cancelled(pause).await {
                Some(Ok(())) => {}
                Some(Err(_)) | None => return,
            }
            let text = latest.borrow_and_update().clone();
            if text != shown && self.show(message, &text).await {
                shown = text;
            }
        }
    }

    /// Edits the message if it is its turn. Returns whether the text is out; what failed is replaced by the next.
    async fn show(&self, message: i32, markdown: &str) -> bool {
        let step = Step {
            chat: self.spot.chat,
            to_group: self.to_group,
            bulk: false,
        };
        if !matches!(self.bot.turn(step, Instant::now()).await, Turn::Go) {
            return false;
        }
        let parts = split(&format_growing(markdown), TEXT_UNITS_MAX);
        let Some(text) = parts.into_iter().next() else {
            return false;
        };
        let edit = TextEdit {
            chat: self.spot.chat,
            message,
            text,
            buttons: None,
        };
        match self.bot.api.edit_text(&edit).await {
            Ok(()) => true,
            Err(error) => {
                if let Some(wait) = error.retry_after() {
                    self.bot.told_to_wait(step, wait, Instant::now());
                }
                false
            }
        }
    }
}
