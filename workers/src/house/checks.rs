//! How the house is: everything it leans on, asked side by side, one second each.
//!
//! A check never fails the report: what does not answer in time is reported as that. What nobody configured is "not
//! configured" and never "down".

use std::future::Future;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sallyport_ai::Models;
use sallyport_kit::{Check, CheckState, QueueGlance, StatusReport};
use sallyport_queue::{KindSummary, Summary};
use sallyport_redis::Redis;
use sallyport_telemetry::Chain;

use super::HouseKeeper;
use crate::bots::Bot;

/// How long each check may take: a person waits for all of them.
const WITHIN: Duration = Duration::from_secs(1);
/// Characters of a reason that still read well in a chat.
const REASON_MAX: usize = 60;
/// Characters of a revision that people compare.
const REVISION_MAX: usize = 7;

/// Asks around.
pub(super) async fn report(keeper: &HouseKeeper, bot: &Bot) -> StatusReport {
    let (queue, postgres, redis, model, telegram) = tokio::join!(
        queue(keeper),
        postgres(keeper),
        // On the heap: a call of Redis is a large future, and the checks stand side by side.
        Box::pin(redis(keeper.redis.as_ref())),
        model(&keeper.models),
        telegram(bot)
    );
    let identity = keeper.health.identity();
    StatusReport {
        queue,
        checks: vec![
            vec![model, telegram],
            vec![postgres, redis, not_configured("Neo4j")],
        ],
        version: identity.version.to_owned(),
        revision: identity.revision.chars().take(REVISION_MAX).collect(),
        up: Duration::from_secs(keeper.health.status().uptime_s),
        at: Timestamp::now(),
    }
}

async fn queue(keeper: &HouseKeeper) -> Option<QueueGlance> {
    let summary = tokio::time::timeout(WITHIN, keeper.inspector.summary()).await;
    summary.ok()?.ok().map(|summary| glance(&summary))
}

fn glance(summary: &Summary) -> QueueGlance {
    let sum = |count: fn(&KindSummary) -> u64| summary.kinds.iter().map(count).sum();
    QueueGlance {
        waiting: sum(|kind| kind.ready.saturating_add(kind.delayed)),
        oldest: summary
            .kinds
            .iter()
            .filter_map(|kind| kind.oldest_ready)
            .max(),
        dead: sum(|kind| kind.dead),
    }
}

async fn postgres(keeper: &HouseKeeper) -> Check {
    let ask = async {
        let connection = keeper
            .pool
            .get()
            .await
            .map_err(|error| Chain(&error).to_string())?;
        connection
            .simple_query("select 1")
            .await
            .map_err(|error| Chain(&error).to_string())?;
        Ok(None)
    };
    check("Postgres", ask).await
}

/// Away is degraded and never down: everything goes on without it.
async fn redis(redis: Option<&Redis>) -> Check {
    let Some(redis) = redis else {
        return not_configured("Redis");
    };
    let ask = async {
        redis
            .ping()
            .await
            .map_err(|error| Chain(&error).to_string())?;
        Ok(None)
    };
    check("Redis", ask).await
}

fn not_configured(name: &str) -> Check {
    Check {
        name: name.to_owned(),
        state: CheckState::NotConfigured,
        pending: None,
    }
}

async fn model(models: &Models) -> Check {
    let Some(client) = models.client() else {
        return not_configured("Model");
    };
    let ask = async {
        client
            .probe()
            .await
            .map_err(|error| error.kind().as_str().to_owned())?;
        Ok(None)
    };
    check("Model", ask).await
}

async fn telegram(bot: &Bot) -> Check {
    let ask = async {
        let webhook = bot
            .api
            .webhook()
            .await
            .map_err(|error| error.name().to_owned())?;
        Ok(Some(u64::from(webhook.pending_update_count)))
    };
    check("Telegram", ask).await
}

/// Times one check. Its answer is how many messages the other side holds back for us, if it knows.
async fn check(name: &str, ask: impl Future<Output = Result<Option<u64>, String>>) -> Check {
    let asked = Instant::now();
    let (state, pending) = match tokio::time::timeout(WITHIN, ask).await {
        Ok(Ok(pending)) => (
            CheckState::Up {
                latency: asked.elapsed(),
            },
            pending,
        ),
        Ok(Err(reason)) => {
            let reason = reason.chars().take(REASON_MAX).collect();
            (CheckState::Down { reason }, None)
        }
        Err(_) => (CheckState::NoAnswer { within: WITHIN }, None),
    };
    Check {
        name: name.to_owned(),
        state,
        pending,
    }
}

#[cfg(test)]
mod tests {
    use sallyport_kit::CheckState;

    use super::{WITHIN, check};

    #[tokio::test(start_paused = true)]
    async fn what_does_not_answer_in_a_second_is_said_to_be_that() {
        let check = check("Model", std::future::pending()).await;

        assert_eq!(check.state, CheckState::NoAnswer { within: WITHIN });
    }

    #[tokio::test]
    async fn a_long_reason_is_cut() {
        let check = check("Model", async { Err("x".repeat(1_000)) }).await;

        assert_eq!(
            check.state,
            CheckState::Down {
                reason: "x".repeat(60)
            }
        );
    }
}
