//! What happens here, as events: one function per thing, which makes the log line and the metric from the same fields.

use std::time::Duration;

use bb8_redis::bb8;
use sallyport_telemetry::metrics::{Counter, Gauge, Histograms};
use sallyport_telemetry::{Chain, Label, Metric, counter, gauge};

use crate::error::RedisError;

const SYSTEM: &str = "redis";
/// The label of the live bus.
const LIVE: &str = "live";

/// The metrics of calls, resolved once.
pub(crate) struct CallEvents {
    calls: Histograms,
    used: Gauge,
    idle: Gauge,
}

impl CallEvents {
    pub(crate) fn resolve(connections_max: u32) -> Self {
        let state = |state| {
            gauge(
                Metric::PoolConnections,
                &[(Label::Pool, SYSTEM), (Label::State, state)],
            )
        };
        state("max").set(connections_max);
        Self {
            calls: Histograms::new(Metric::DbClientOperationDuration),
            used: state("used"),
            idle: state("idle"),
        }
    }

    /// A call ended after `took`; the pool stands as `state` says.
    pub(crate) fn called<T>(
        &self,
        operation: &'static str,
        took: Duration,
        answer: &Result<T, RedisError>,
        state: &bb8::State,
    ) {
        let error = answer.as_ref().err().map_or("", RedisError::as_str);
        self.calls.of(&[SYSTEM, operation, error]).record(took);
        self.idle.set(state.idle_connections);
        self.used
            .set(state.connections.saturating_sub(state.idle_connections));
        if let Err(error) = answer {
            tracing::debug!(name: "redis.call_failed", operation, error = %Chain(error), "A call of Redis failed");
        }
    }
}

/// From now on nobody asks Redis for a while.
pub(crate) fn went_away(error: &RedisError) {
    tracing::warn!(name: "redis.away", error = %Chain(error), "Redis is away; everything goes on without it");
}

/// It answers again.
pub(crate) fn came_back() {
    tracing::info!(name: "redis.back", "Redis answers again");
}

/// The metrics of the live bus.
pub(crate) struct LiveEvents {
    consumed: Counter,
    gaps: Counter,
}

impl LiveEvents {
    pub(crate) fn resolve() -> Self {
        let consumed = |error| {
            counter(
                Metric::MessagingClientConsumedMessages,
                &[
                    (Label::MessagingSystem, SYSTEM),
                    (Label::MessagingDestinationName, LIVE),
                    (Label::ErrorType, error),
                ],
            )
        };
        Self {
            consumed: consumed(""),
            gaps: consumed("gap"),
        }
    }

    /// So many events reached a reader.
    pub(crate) fn heard(&self, events: usize) {
        self.consumed.add(u64::try_from(events).unwrap_or(u64::MAX));
    }

    /// A reader missed something, and is told so.
    pub(crate) fn missed(&self, group: &str) {
        self.gaps.increment();
        tracing::warn!(name: "live.gap", group, "Events of the live bus are gone before they were read; the reader reads the state again");
    }
}
