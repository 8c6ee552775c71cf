//! A model's answer in the kit's words.
//!
//! Deadlines, retries and spans are the integration's; here its stream is shortened to the text, and its errors to what
//! an app can act on.

use futures::{StreamExt, stream};
use sallyport_ai::{Delta, Fault, FinishReason, Models, Prompt as WirePrompt, Role, Turn};
use sallyport_kit::{ModelError, ModelStream, Prompt, Speaker};

/// Asks, and returns once the first piece is there.
pub(super) async fn ask(models: &Models, prompt: Prompt) -> Result<ModelStream, ModelError> {
    let client = models.client().ok_or(ModelError::NotConfigured)?;
    let mut answer = client.stream(wire(prompt));
    let first = match answer.next().await {
        Some(Ok(Delta::Text(text))) => text,
        Some(Ok(Delta::Finished(_))) | None => {
            return Err(ModelError::Unavailable { retry_after: None });
        }
        Some(Err(error)) => return Err(before_the_answer(&error)),
    };
    let rest = answer.filter_map(|item| async move {
        match item {
            Ok(Delta::Text(text)) => Some(Ok(text)),
            Ok(Delta::Finished(finished)) if finished.reason == FinishReason::Length => {
                Some(Err(ModelError::CutOff))
            }
            Ok(Delta::Finished(_)) => None,
            Err(_) => Some(Err(ModelError::CutOff)),
        }
    });
    Ok(stream::once(async move { Ok(first) }).chain(rest).boxed())
}

fn wire(prompt: Prompt) -> WirePrompt {
    let turn = |speaker, text| Turn {
        role: match speaker {
            Speaker::Person => Role::Person,
            Speaker::Model => Role::Model,
        },
        text,
    };
    let mut turns: Vec<Turn> = prompt
        .turns
        .into_iter()
        .map(|said| turn(said.speaker, said.text))
        .collect();
    turns.push(turn(Speaker::Person, prompt.question));
    WirePrompt {
        alias: prompt.model.alias().to_owned(),
        system: Some(prompt.instructions).filter(|text| !text.is_empty()),
        turns,
        reply_tokens_max: None,
    }
}

fn before_the_answer(error: &sallyport_ai::ModelError) -> ModelError {
    match error.whose_fault() {
        Fault::Caller => ModelError::Refused,
        Fault::Ours | Fault::Provider => ModelError::Unavailable {
            retry_after: error.retry_after(),
        },
    }
}
