//! The door of the Bot API: `/bot<token>/METHOD` by GET or POST, and `/file/bot<token>/<path>`.
//!
//! It reads the token, asks for faults, lets `methods` do the work, writes the log line, and answers. A fault may make it wait, refuse, or do the work and
//! lose the answer.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    answer::{Outcome, Refusal, respond},
    bot::Bot,
    log::Line,
    methods,
    parameters::Parameters,
};
use crate::{
    faults::{Effect, Target},
    world::World,
};

/// A token longer than this is none (the real server's rule).
const TOKEN_BYTES_MAX: usize = 80;

/// Answers a call of a method.
pub(crate) async fn call(
    State(world): State<Arc<World>>,
    Path((token, method)): Path<(String, String)>,
    request: Request,
) -> Response {
    let Some(token) = token.strip_prefix("bot") else {
        return respond(&Err(Refusal::new(404, "Not Found")));
    };
    let bot = match find(&world, token) {
        Ok(bot) => bot,
        Err(refusal) => return respond(&Err(refusal)),
    };
    let given = match Parameters::read(request).await {
        Ok(given) => given,
        Err(refusal) => return respond(&Err(refusal)),
    };
    let name = method.to_ascii_lowercase();
    let effect = world
        .faults
        .strike(Target::Telegram, &name, given.integer("chat_id"))
        .unwrap_or_default();
    if !effect.latency.is_zero() {
        tokio::time::sleep(effect.latency).await;
    }
    let outcome = match refusal_of(&effect) {
        Some(refusal) => Err(refusal),
        None => methods::call(&world, &bot, &name, &given).await,
    };
    if name != "getupdates" {
        write_line(&world, &bot, method, &given, &outcome, effect.lose_answer);
    }
    if effect.lose_answer {
        lost()
    } else {
        respond(&outcome)
    }
}

/// The bot of a token, in the real server's order of refusals.
fn find(world: &World, token: &str) -> Result<Arc<Bot>, Refusal> {
    let invalid = || Refusal::new(401, "Unauthorized: invalid token specified");
    if token.starts_with('0') || token.len() > TOKEN_BYTES_MAX {
        return Err(invalid());
    }
    let (id, secret) = token.split_once(':').ok_or_else(invalid)?;
    let id: i64 = id
        .parse()
        .ok()
        .filter(|id| (1..1 << 54).contains(id))
        .ok_or_else(invalid)?;
    if secret.is_empty() {
        return Err(Refusal::new(401, "Unauthorized"));
    }
    let bot = world.bot(id).ok_or_else(|| Refusal::too_fast(60))?;
    bot.admit(secret)?;
    Ok(bot)
}

fn refusal_of(effect: &Effect) -> Option<Refusal> {
    let status = effect.status?;
    let mut refusal = match effect.retry_after {
        Some(seconds) if status == 429 => Refusal::too_fast(seconds),
        Some(_) | None if status == 429 => Refusal::too_fast(1),
        Some(_) | None => Refusal::of_status(status),
    };
    if let Some(description) = &effect.description {
        refusal.description.clone_from(description);
    }
    Some(refusal)
}

#[derive(Deserialize)]
struct Made {
    message_id: i32,
}

fn write_line(
    world: &World,
    bot: &Bot,
    method: String,
    given: &Parameters,
    outcome: &Outcome,
    answer_lost: bool,
) {
    let now = Timestamp::now();
    let text = Some(given.text("text"))
        .filter(|text| !text.is_empty())
        .map(str::to_owned);
    let refusal = outcome.as_ref().err();
    let made = outcome
        .as_ref()
        .ok()
        .and_then(|success| serde_json::from_str::<Made>(success.result.get()).ok());
    let line = Line {
        seq: 0,
        at: now.to_string(),
        at_ms: now.as_millisecond(),
        bot: bot.id,
        method,
        chat_id: given.integer("chat_id"),
        text,
        status: refusal.map_or(200, |refusal| refusal.status),
        message_id: made.map(|made| made.message_id),
        error: refusal.map(|refusal| refusal.description.clone()),
        retry_after: refusal.and_then(|refusal| refusal.retry_after),
        answer_lost,
    };
    world.log.lock().push(line);
}

/// An answer that never arrives: the connection breaks before its body.
fn lost() -> Response {
    let broken = futures::stream::once(async {
        Err::<Bytes, _>(std::io::Error::other("the answer is lost on purpose"))
    });
    (
        StatusCode::OK,
        [(header::CONTENT_LENGTH, "2")],
        Body::from_stream(broken),
    )
        .into_response()
}

/// Answers the download of a file that `getFile` named.
pub(crate) async fn download(
    State(world): State<Arc<World>>,
    Path((token, path)): Path<(String, String)>,
) -> Response {
    let found = token.strip_prefix("bot").map(|token| find(&world, token));
    let bot = match found {
        Some(Ok(bot)) => bot,
        Some(Err(refusal)) => return respond(&Err(refusal)),
        None => return respond(&Err(Refusal::new(404, "Not Found"))),
    };
    let content = bot
        .lock()
        .files
        .at_path(&path)
        .map(|file| file.content.clone());
    match content {
        Some(content) => (
            [(header::CONTENT_TYPE, "application/octet-stream")],
            content,
        )
            .into_response(),
        None => respond(&Err(Refusal::new(404, "Not Found"))),
    }
}
