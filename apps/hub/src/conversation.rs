//! Asking a model in a chat: what a question is, and when it is asked again.
//!
//! A question lives under the message that asked it and has a version. Asking, editing and trying again only raise the version
//! and start the task [`Answer`]; the task answers the newest version once. So however these cross, the last word wins and no
//! model is asked for nothing.

use sallyport_kit::{Context, Ended, MessageRef, Outcome};

use crate::{
    buttons::CutOff,
    state::{self, Asked, QuestionKey},
    tasks::{Answer, Due},
};

/// Asks what was just said.
pub(crate) fn ask(context: &Context, words: String) -> Ended {
    let Some(key) = key_of(context) else {
        return Ok(Outcome::Ignored);
    };
    let about = context
        .quoted()
        .filter(|quoted| !quoted.by_us)
        .and_then(|quoted| quoted.text.clone());
    let asked = Asked {
        person: context.person().id.0,
        words,
        about,
        at: context.now(),
    };
    let due = Due {
        question: key.message.clone(),
    };
    context.remember(move |tables| Box::pin(async move { state::ask(tables, &key, &asked).await }));
    context.typing();
    context.start_task::<Answer>(&due)?;
    Ok(Outcome::Done)
}

/// Asks something else instead of what this message asked before.
pub(crate) async fn ask_instead(context: &Context, words: String) -> Ended {
    let Some(key) = key_of(context) else {
        return Ok(Outcome::Ignored);
    };
    if words.is_empty() || !state::is_known(&**context.read().await?, &key).await? {
        return Ok(Outcome::Ignored);
    }
    let due = Due {
        question: key.message.clone(),
    };
    context
        .remember(move |tables| Box::pin(async move { state::change(tables, &key, &words).await }));
    context.start_task::<Answer>(&due)?;
    Ok(Outcome::Done)
}

/// Asks the same again, after an answer that was cut off.
pub(crate) fn ask_again(context: &Context, cut_off: CutOff) -> Ended {
    let key = question_key(context, &cut_off.question);
    let due = Due {
        question: cut_off.question,
    };
    context.remember(move |tables| {
        Box::pin(async move { state::reopen(tables, &key, cut_off.version).await })
    });
    context.start_task_from::<Answer>(MessageRef(due.question.clone()), &due)?;
    Ok(Outcome::Done)
}

/// Forgets what was said in this chat.
pub(crate) fn forget(context: &Context) {
    let (bot, chat) = (context.us().bot.clone(), context.chat().id.0.clone());
    context
        .remember(move |tables| Box::pin(async move { state::forget(tables, &bot, &chat).await }));
}

/// The question under the message that is handled.
fn key_of(context: &Context) -> Option<QuestionKey> {
    context
        .message()
        .map(|message| question_key(context, &message.0))
}

/// A question of this chat.
pub(crate) fn question_key(context: &Context, message: &str) -> QuestionKey {
    QuestionKey {
        bot: context.us().bot.clone(),
        chat: context.chat().id.0.clone(),
        message: message.to_owned(),
    }
}
