//! Whole thoughts: a paste that the provider split, and an album, are one question.
//!
//! Parts are kept in the kit's own table, because the process may die between two of them. The first part starts a task that
//! asks a little later whether the thought is whole; a short last part needs no wait. Whoever takes the parts deletes exactly the
//! rows it read, so two takers cannot both answer: the second one's attempt fails and finds nothing the next time.
//! Only private chats: in groups only the part that speaks to the bot is for the bot.

mod kept;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use kept::Thought;

use crate::{
    Attachment, ChatKind, Context, Failure, Incoming, MessageRef, Outcome, PersonKind, Role,
    TaskCall, What, said::Said,
};

/// The task that asks whether a thought is whole.
pub(crate) const GATHER: &str = "gather";

/// Providers split at 4096 units, at a word's end where they can: from this length on a message may go on in the next.
const PART_UNITS_MIN: usize = 4000;

/// A message of exactly this length was cut in the middle of a word.
const MESSAGE_UNITS_MAX: usize = 4096;

/// The next part was said at most this much later, by the provider's clock, which counts whole seconds.
const NEXT_WITHIN: Duration = Duration::from_secs(1);

/// After this long without another part a thought is whole.
const QUIET: Duration = Duration::from_millis(1200);

/// How many parts are joined; what is beyond begins another thought.
const PARTS_MAX: usize = 20;

/// What to do with a message that may be a part.
#[derive(Debug)]
pub(crate) enum Gathered {
    /// Handle this, with these files.
    Whole(Box<Incoming>, Vec<Attachment>),
    /// It was put to the others; nothing is to be handled yet.
    Kept,
}

/// How a message relates to what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It stands alone.
    Alone,
    /// It may go on: the first part.
    Begin,
    /// One more part, and there may be more.
    Continue,
    /// The last part.
    Complete,
}

/// The task's payload.
#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    first: String,
}

/// Puts a message to the parts that it belongs to.
pub(crate) async fn gather(context: &Context) -> Result<Gathered, Failure> {
    let incoming = context.incoming();
    if !may_be_part(incoming) {
        return Ok(alone(incoming));
    }
    let open = kept::newest(context).await?;
    match (step(open.as_ref(), incoming), open) {
        (Step::Begin, _) => begin(context),
        (Step::Continue, Some(thought)) => {
            kept::add(context, &thought)?;
            Ok(Gathered::Kept)
        }
        (Step::Complete, Some(mut thought)) => {
            kept::take(context, &thought);
            thought.parts.push(incoming.clone());
            Ok(joined(incoming, thought.parts))
        }
        (Step::Alone | Step::Continue | Step::Complete, _) => Ok(alone(incoming)),
    }
}

/// Runs when a thought has been quiet for a while: hands it over whole, or waits for the rest.
pub(crate) async fn finish(
    context: &Context,
    call: &TaskCall,
) -> Result<Result<Gathered, Outcome>, Failure> {
    let waiting: Waiting = serde_json::from_value(call.payload.clone())?;
    let Some(thought) = kept::named(context, &waiting.first).await? else {
        return Ok(Err(Outcome::Done));
    };
    let quiet =
        Duration::try_from(context.now().duration_since(thought.touched_at)).unwrap_or_default();
    if quiet < QUIET {
        return Ok(Err(Outcome::Snooze {
            wait: QUIET.saturating_sub(quiet),
        }));
    }
    kept::take(context, &thought);
    Ok(Ok(joined(context.incoming(), thought.parts)))
}

/// Whether the tables must be asked. A short command and a file without an album are whole by
/// themselves.
fn may_be_part(incoming: &Incoming) -> bool {
    let speaks = match &incoming.what {
        What::Text { text } => units(text) >= PART_UNITS_MIN || !is_command(text, incoming),
        What::Media(file) => file.album.is_some(),
        What::Edited { .. } | What::Button(_) | What::Task(_) | What::Other { .. } => false,
    };
    speaks
        && incoming.chat.kind == ChatKind::Private
        && incoming.person.kind == PersonKind::Human
        && incoming.person.role > Role::Guest
        && incoming.message.is_some()
}

fn is_command(text: &str, incoming: &Incoming) -> bool {
    match Said::read(text, &incoming.us) {
        Said::Command { .. } | Said::ForAnother => true,
        Said::Words { .. } => false,
    }
}

/// The decision, without a database.
fn step(open: Option<&Thought>, incoming: &Incoming) -> Step {
    let open = open.filter(|thought| thought.parts.len() < PARTS_MAX);
    if let What::Media(file) = &incoming.what {
        return match (&file.album, open) {
            (None, _) => Step::Alone,
            (Some(_), None) => Step::Begin,
            (Some(_), Some(_)) => Step::Continue,
        };
    }
    let may_go_on = incoming
        .words()
        .is_some_and(|text| units(text) >= PART_UNITS_MIN);
    let continues = open.is_some_and(|thought| {
        Duration::try_from(incoming.at.duration_since(thought.last_at))
            .is_ok_and(|gap| gap <= NEXT_WITHIN)
    });
    match (continues, may_go_on) {
        (true, true) => Step::Continue,
        (true, false) => Step::Complete,
        (false, true) => Step::Begin,
        (false, false) => Step::Alone,
    }
}

fn alone(incoming: &Incoming) -> Gathered {
    joined(incoming, vec![incoming.clone()])
}

/// One message out of its parts: the first one's place and the words of all.
fn joined(now: &Incoming, parts: Vec<Incoming>) -> Gathered {
    let files: Vec<Attachment> = parts.iter().filter_map(Incoming::file).cloned().collect();
    let caption = parts
        .iter()
        .find_map(|part| part.words().map(str::to_owned));
    let text = join(parts.iter().filter_map(Incoming::words));
    let Some(mut whole) = parts.into_iter().next() else {
        return Gathered::Kept;
    };
    match &mut whole.what {
        What::Text { text: words } => *words = text,
        What::Media(file) => file.caption = caption,
        What::Edited { .. } | What::Button(_) | What::Task(_) | What::Other { .. } => {}
    }
    whole.person = now.person.clone();
    Gathered::Whole(Box::new(whole), files)
}

/// Joins the texts of a split paste: without a seam where a word was cut, else with a line break.
fn join<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let mut whole = String::new();
    let mut seam = "";
    for text in texts {
        whole.push_str(seam);
        whole.push_str(text);
        seam = if units(text) >= MESSAGE_UNITS_MAX {
            ""
        } else {
            "\n"
        };
    }
    whole
}

/// The length as providers count it: UTF-16 code units.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Keeps the first part, and asks for the whole thought after a moment.
fn begin(context: &Context) -> Result<Gathered, Failure> {
    let Some(MessageRef(first)) = context.message().cloned() else {
        return Ok(alone(context.incoming()));
    };
    let payload = serde_json::to_value(Waiting {
        first: first.clone(),
    })?;
    kept::begin(context, first)?;
    context.typing();
    context.start_own_task(GATHER, payload, QUIET);
    Ok(Gathered::Kept)
}

#[cfg(test)]
mod tests;
