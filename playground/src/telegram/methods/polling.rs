//! `getUpdates`: a long poll that confirms what came before, refuses while a webhook is set, and ends the poller before it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Bytes;
use serde_json::value::RawValue;

use super::super::{
    answer::{Outcome, Refusal, Success},
    bot::{Bot, now_ms},
    parameters::Parameters,
};
use crate::world::World;

/// A poll waits at most this long, whatever it asks for.
const WAIT_MAX_S: i64 = 50;

const WEBHOOK_IS_SET: &str = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
const OTHER_POLLER: &str = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
const WEBHOOK_CAME: &str = "Conflict: terminated by setWebhook request";

pub(super) async fn get_updates(world: &Arc<World>, bot: &Arc<Bot>, given: &Parameters) -> Outcome {
    let offset = given.integer("offset").unwrap_or(0);
    let limit = given.integer("limit").unwrap_or(100).clamp(1, 100);
    let limit = usize::try_from(limit).unwrap_or(100);
    let wait = given.integer("timeout").unwrap_or(0).clamp(0, WAIT_MAX_S);
    let until = Instant::now() + Duration::from_secs(wait.unsigned_abs());
    let mine = begin(bot, offset, given)?;
    loop {
        let woken = bot.woken();
        tokio::pin!(woken);
        woken.as_mut().enable();
        let (bodies, lanes) = look(bot, mine, limit)?;
        if !bodies.is_empty() || Instant::now() >= until {
            lanes
                .into_iter()
                .for_each(|lane| world.changed(bot.id, lane));
            return list(&bodies);
        }
        tokio::select! {
            () = &mut woken => {}
            () = tokio::time::sleep_until(until.into()) => {}
            () = world.stop.cancelled() => return list(&[]),
        }
    }
}

/// Confirms, and takes over from an earlier poller; returns this poller's number.
fn begin(bot: &Bot, offset: i64, given: &Parameters) -> Result<u64, Refusal> {
    let mut state = bot.lock();
    if state.webhook.is_some() {
        return Err(Refusal::new(409, WEBHOOK_IS_SET));
    }
    if let Some(allowed) = given.json("allowed_updates", "can't parse allowed_updates")? {
        state.updates.allowed = Some(allowed);
    }
    state.updates.confirm(offset, Instant::now());
    state.poller += 1;
    let mine = state.poller;
    drop(state);
    bot.wake();
    Ok(mine)
}

type Found = (Vec<Bytes>, std::collections::BTreeSet<i64>);

fn look(bot: &Bot, mine: u64, limit: usize) -> Result<Found, Refusal> {
    let mut state = bot.lock();
    if state.webhook.is_some() {
        return Err(Refusal::new(409, WEBHOOK_CAME));
    }
    if state.poller != mine {
        return Err(Refusal::new(409, OTHER_POLLER));
    }
    let lanes = state.updates.polled_lanes(limit);
    Ok((state.updates.poll(limit, now_ms()), lanes))
}

/// A JSON list of bodies that are JSON already.
fn list(bodies: &[Bytes]) -> Outcome {
    let bodies: Vec<&RawValue> = bodies
        .iter()
        .filter_map(|body| serde_json::from_slice(body).ok())
        .collect();
    Success::of(&bodies)
}
