//! `/trace CODE` shows the story behind a support code: how it ended, how it went, never what was written. People find only
//! their own stories; operators find all, and may send a dead one again.

use sallyport_kit::{
    Command, Context, Ended, Failure, Found, FromText, Misread, Outcome, Reply, Role, Story,
};

use crate::buttons::{CopyId, ReplayStory};

pub(crate) struct Trace;

/// A support code or a trace id, as people write them: `k7qf-3m2x`, `K7QF 3M2X`, or 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference(String);

impl Command for Trace {
    const NAME: &'static str = "trace";
    type Arguments = Reference;

    async fn run(&self, context: &Context, Reference(reference): Reference) -> Ended {
        match context.house().story(&reference, context.person()).await? {
            Found::Story(story) => context.reply(shown(context, &story)?),
            Found::Several(ids) => context.say("trace-several", &[("ids", ids.join("\n").into())]),
            Found::TooOld { days } => context.say("trace-too-old", &[("days", days.into())]),
            Found::Nothing => context.say("trace-nothing", &[]),
        }
        Ok(Outcome::Done)
    }
}

/// The story's lines, and buttons for operators.
fn shown(context: &Context, story: &Story) -> Result<Reply, Failure> {
    let reply = Reply::plain(context.story_lines(story).join("\n"));
    if !context.may(Role::Operator) {
        return Ok(reply);
    }
    let copy = context.button::<CopyId>("trace-copy-id", &story.trace_id)?;
    let replay = context
        .button::<ReplayStory>("trace-replay", &story.trace_id)?
        .for_role(Role::Operator);
    Ok(reply.row(story.can_replay.then_some(replay).into_iter().chain([copy])))
}

impl FromText for Reference {
    fn from_text(words: &str) -> Result<Self, Misread> {
        let code: String = words
            .chars()
            .filter(|character| !matches!(character, '-' | ' '))
            .collect();
        let is_id = code.len() == 32 && code.chars().all(|character| character.is_ascii_hexdigit());
        // Crockford's alphabet, with the letters that are forgiven (O, I, L) and without U, which it never uses.
        let is_code = code.len() == 8
            && code.chars().all(|character| {
                character.is_ascii_alphanumeric() && !character.eq_ignore_ascii_case(&'u')
            });
        if is_id || is_code {
            Ok(Self(code.to_ascii_uppercase()))
        } else {
            Err(Misread::because("trace-usage"))
        }
    }
}

#[cfg(test)]
mod tests;
