//! `sallyport queue replay`: hands messages in once more. Without `--live` it only tells what would be done.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use sallyport_queue::{
    MessageId, Outcome, REPLAY_PER_SECOND, ReplayError, ReplayFilter, ReplayOrder,
};
use sallyport_workers::desk::{DryRunSheet, ReplayLine};
use serde::Serialize;

use super::Desk;
use super::table::table;

/// A person waits longer for a whole answer than a page does.
const LOOK: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    /// Messages by their numbers
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// Accepted since, such as 2026-11-20T21:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Accepted until
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Whose last error was of this kind
    #[arg(long)]
    error: Option<String>,
    /// Of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Of this bot
    #[arg(long)]
    bot: Option<String>,
    /// Of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// That ended so: dead, cancelled, expired, done or ignored
    #[arg(long, value_parser = outcome)]
    outcome: Option<Outcome>,
    /// Do it
    #[arg(long, requires = "why")]
    live: bool,
    /// Also what is done, ignored or was replayed already
    #[arg(long)]
    force: bool,
    /// How many per second
    #[arg(long, default_value_t = REPLAY_PER_SECOND, value_parser = clap::value_parser!(u16).range(1..=1000))]
    per_second: u16,
    /// Print the payload that the handler of a single message would be given
    #[arg(long, conflicts_with = "live")]
    payload: bool,
    /// Show the replays there were, newest first
    #[arg(long, conflicts_with_all = ["ids", "live", "stop"])]
    list: bool,
    /// Stop a replay that runs, by its number; what it has handed in stays
    #[arg(long, value_name = "REPLAY", conflicts_with_all = ["ids", "live"], requires = "why")]
    stop: Option<i64>,
    /// Why
    #[arg(long, value_name = "WHY")]
    why: Option<String>,
    /// Who does it
    #[arg(long, env = "USER", default_value = "operator", value_name = "WHO")]
    by: String,
}

#[derive(Serialize)]
struct Dry {
    #[serde(flatten)]
    run: DryRunSheet,
    payload: Option<String>,
}

fn outcome(word: &str) -> Result<Outcome, &'static str> {
    Outcome::from_word(word).ok_or("must be dead, cancelled, expired, done or ignored")
}

impl Arguments {
    fn filter(&self) -> ReplayFilter {
        ReplayFilter {
            ids: self.ids.iter().copied().map(MessageId).collect(),
            from: self.from,
            until: self.until,
            error_kind: self.error.clone(),
            kind: self.kind.clone(),
            bot: self.bot.clone(),
            tenant: self.tenant.clone(),
            outcome: self.outcome.map(|outcome| outcome.as_str().to_owned()),
        }
    }
}

pub(super) async fn run(desk: &Desk, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.list {
        return list(desk).await;
    }
    if let Some(id) = arguments.stop {
        return stop(desk, id, arguments).await;
    }
    let done = match &arguments.why {
        Some(why) if arguments.live => live(desk, arguments, why).await,
        _ => dry(desk, arguments).await,
    };
    match done {
        Ok(code) => Ok(code),
        Err(error) => match error.downcast::<ReplayError>() {
            Ok(ReplayError::Store(error)) => Err(error.into()),
            Ok(refused) => Ok(desk.refuse(&format!("Not replayed: {refused}."))),
            Err(error) => Err(error),
        },
    }
}

async fn live(desk: &Desk, arguments: &Arguments, why: &str) -> anyhow::Result<ExitCode> {
    let replays = desk.queue.replays();
    let order = ReplayOrder {
        filter: arguments.filter(),
        forced: arguments.force,
        per_second: arguments.per_second,
        by: arguments.by.clone(),
        why: why.to_owned(),
    };
    let dry = replays
        .dry_run(&order.filter, order.forced, Duration::from_secs(2))
        .await?;
    if dry.complete && dry.count == 0 {
        let why = dry
            .refused
            .keys()
            .next()
            .map_or("nothing fits", |refusal| refusal.reason());
        return Ok(desk.refuse(&format!("Nothing to replay: {why}.")));
    }
    let line = ReplayLine::of(replays.start(&order).await?);
    desk.tell(&line, || {
        format!(
            "Replay {} is ordered: about {} messages, {} per second. Stop it with: sallyport queue replay --stop {} --why WHY",
            line.id, dry.count, line.per_second, line.id
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn dry(desk: &Desk, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let replays = desk.queue.replays();
    let run = replays
        .dry_run(&arguments.filter(), arguments.force, LOOK)
        .await?;
    let payload = match (arguments.payload, arguments.ids.as_slice()) {
        (true, &[id]) => replays.payload(MessageId(id)).await?,
        _ => None,
    };
    let dry = Dry {
        run: DryRunSheet::of(run),
        payload: payload.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    };
    desk.tell(&dry, || lines(&dry))?;
    Ok(ExitCode::SUCCESS)
}

fn lines(dry: &Dry) -> String {
    let run = &dry.run;
    let mut lines = vec![format!(
        "Would replay {} messages. Nothing was changed.",
        run.count
    )];
    lines.extend(
        run.by_kind
            .iter()
            .map(|(kind, count)| format!("  {count:>8}  {kind}")),
    );
    for (name, candidate) in [("first", &run.first), ("last", &run.last)] {
        lines.extend(candidate.as_ref().map(|found| {
            format!(
                "  {name}: message {} of {}, {} version {}, bot {}, tenant {}, key {}, {} bytes, {}",
                found.id, found.accepted_at, found.kind, found.kind_version, found.bot, found.tenant, found.key,
                found.payload_bytes, found.standing
            )
        }));
    }
    lines.extend(
        run.refused
            .iter()
            .map(|refused| format!("Refused: {} {}", refused.count, refused.reason)),
    );
    if !run.complete {
        lines.push(
            "There is more than could be looked at in a minute; the count is at least that."
                .to_owned(),
        );
    }
    lines.extend(
        dry.payload
            .as_ref()
            .map(|payload| format!("Its handler would be given:\n{payload}")),
    );
    lines.join("\n")
}

async fn list(desk: &Desk) -> anyhow::Result<ExitCode> {
    let replays: Vec<ReplayLine> = desk
        .queue
        .replays()
        .list(None)
        .await?
        .into_iter()
        .map(ReplayLine::of)
        .collect();
    desk.tell(&replays, || {
        let rows: Vec<[String; 6]> = replays
            .iter()
            .map(|replay| {
                [
                    replay.id.clone(),
                    replay.state.clone(),
                    replay.replayed.to_string(),
                    replay.refused.to_string(),
                    replay.by.clone(),
                    replay.why.clone(),
                ]
            })
            .collect();
        table(
            ["REPLAY", "STATE", "REPLAYED", "REFUSED", "BY", "WHY"],
            &rows,
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn stop(desk: &Desk, id: i64, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let why = arguments.why.as_deref().unwrap_or_default();
    if !desk.queue.replays().cancel(id, &arguments.by, why).await? {
        return Ok(desk.nothing(&format!("No replay {id} is running.")));
    }
    desk.tell(&serde_json::json!({"stopped": id.to_string()}), || {
        format!("Replay {id} is stopped.")
    })?;
    Ok(ExitCode::SUCCESS)
}
