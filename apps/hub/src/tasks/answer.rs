//! Answers a question: asks a model, and shows the answer while it is written, in reply to the question.
//!
//! Runs while the chat goes on; answers of one chat keep their order. Twice is harmless to people: the answer has one slot on
//! the screen, and a version that is answered is not asked again. A model may be paid twice when a process dies in between.

use std::time::Duration;

use futures::StreamExt;
use sallyport_kit::{
    AtOnce, Context, Ended, Failure, ModelClass, ModelError, ModelStream, Outcome, Prompt, Reply,
    Task,
};
use serde::{Deserialize, Serialize};

use crate::{
    Settings,
    buttons::{CutOff, TryAgain},
    conversation::question_key,
    state::{self, Open},
};

/// Longer answers than this are cut off: several messages, and no end of a model that repeats itself.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

pub(crate) struct Answer {
    model: ModelClass,
    memory_turns: u16,
    memory_span: Duration,
}

/// Which question is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Due {
    /// The message with the question.
    pub(crate) question: String,
}

impl Answer {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            model: settings.model,
            memory_turns: settings.memory_turns,
            memory_span: settings.memory_span(),
        }
    }
}

impl Task for Answer {
    const NAME: &'static str = "ask";
    const KEY: &'static str = "ask";
    /// Models have deadlines of their own for the first and the next word; this is for one that never stops.
    const DEADLINE: Duration = Duration::from_secs(180);
    const ATTEMPTS_MAX: u16 = 3;
    /// A model is dear: somebody who asks in several chats at once is answered in one after the other.
    const AT_ONCE: Option<AtOnce> = Some(AtOnce::per_person(1));
    type Payload = Due;

    async fn run(&self, context: &Context, due: Due) -> Ended {
        let Some(open) = self.open(context, &due).await? else {
            return Ok(Outcome::Done);
        };
        let mut answer = context.answer(&due.question).await?;
        let written = match context.ask_model(self.prompt(context, &open)).await {
            Ok(stream) => written(stream, &mut answer).await?,
            Err(error) if error.may_retry() && !context.attempt().is_last() => {
                return Err(error.into());
            }
            Err(error) => Err(error),
        };
        let whole = written.is_ok().then(|| answer.written().to_owned());
        match written {
            Ok(()) => answer.finish(),
            Err(error) => {
                let reply = in_place(context, answer.written(), &error, &due, open.version)?;
                answer.finish_with(reply);
            }
        }
        settle(context, due, open.version, whole);
        Ok(Outcome::Done)
    }
}

impl Answer {
    /// The question, unless its newest version is answered, with what was said before.
    async fn open(&self, context: &Context, due: &Due) -> Result<Option<Open>, Failure> {
        let since = context
            .now()
            .checked_sub(self.memory_span)
            .unwrap_or_default();
        let tables = context.read().await?;
        state::open(
            &**tables,
            &question_key(context, &due.question),
            since,
            self.memory_turns,
        )
        .await
    }

    fn prompt(&self, context: &Context, open: &Open) -> Prompt {
        let question = match &open.about {
            Some(about) => context.text(
                "ai-about",
                &[("question", (&open.words).into()), ("about", about.into())],
            ),
            None => open.words.clone(),
        };
        let instructions = context.text("ai-instructions", &[]);
        Prompt {
            model: self.model,
            instructions,
            turns: open.turns.clone(),
            question,
        }
    }
}

/// Writes the answer piece by piece. The outer error is ours, the inner one the model's.
async fn written(
    mut stream: ModelStream,
    answer: &mut sallyport_kit::Answer,
) -> Result<Result<(), ModelError>, Failure> {
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => answer.write(&piece).await?,
            Err(error) => return Ok(Err(error)),
        }
        if answer.written().len() > ANSWER_BYTES_MAX {
            return Ok(Err(ModelError::CutOff));
        }
    }
    Ok(if answer.written().trim().is_empty() {
        Err(ModelError::CutOff)
    } else {
        Ok(())
    })
}

/// What stands where the answer would be: what there is of it, or a sentence that a human wrote and that says so.
fn in_place(
    context: &Context,
    written: &str,
    error: &ModelError,
    due: &Due,
    version: i32,
) -> Result<Reply, Failure> {
    let code = [("code", context.support_code().into())];
    let text = match error {
        _ if !written.trim().is_empty() => {
            format!("{} {}", written.trim_end(), context.text("ai-cut-off", &[]))
        }
        ModelError::NotConfigured => return Ok(Reply::plain(context.text("ai-no-model", &[]))),
        ModelError::Refused => return Ok(Reply::plain(context.text("ai-refused", &[]))),
        ModelError::Unavailable { .. } | ModelError::CutOff => context.text("ai-failed", &code),
    };
    let cut_off = CutOff {
        question: due.question.clone(),
        version,
    };
    Ok(Reply::markdown(text).row([context.button::<TryAgain>("ai-try-again", &cut_off)?]))
}

/// Marks this version as answered; only a whole answer is remembered.
fn settle(context: &Context, due: Due, version: i32, whole: Option<String>) {
    let (key, now) = (question_key(context, &due.question), context.now());
    context.remember(move |tables| {
        Box::pin(async move { state::answered(tables, &key, version, whole.as_deref(), now).await })
    });
}

#[cfg(test)]
mod tests;
