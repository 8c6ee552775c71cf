//! The gauges of the queue, read from the tables every few seconds. Several processes export the same numbers: whoever
//! adds them up must take the maximum.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use sallyport_telemetry::Metric;
use sallyport_telemetry::metrics::Gauges;
use tokio_util::sync::CancellationToken;

use crate::events;
use crate::inspector::{Inspector, KindSummary};
use crate::pace::Pace;

/// How many kinds have gauges at most.
const KINDS_MAX: usize = 100;

/// Reads the gauges until `stop`.
pub(crate) async fn run(inspector: Inspector, every_ms: u64, stop: CancellationToken) {
    let mut pace = Pace::new(every_ms, stop);
    let meters = Meters {
        messages: Gauges::new(Metric::QueueMessages),
        oldest_ready: Gauges::new(Metric::QueueOldestReady),
    };
    let mut known: BTreeMap<String, KindSummary> = BTreeMap::new();
    while pace.next().await {
        match inspector.summary().await {
            Ok(summary) => {
                // A kind of which nothing is left must go to zero, not stand still.
                for kind in known.values_mut() {
                    *kind = KindSummary {
                        kind: kind.kind.clone(),
                        ..KindSummary::default()
                    };
                }
                for kind in summary.kinds {
                    if known.len() < KINDS_MAX || known.contains_key(&kind.kind) {
                        known.insert(kind.kind.clone(), kind);
                    }
                }
                known.values().for_each(|kind| meters.show(kind));
            }
            Err(error) => events::chore_failed("gauges", &error),
        }
    }
}

struct Meters {
    messages: Gauges,
    oldest_ready: Gauges,
}

impl Meters {
    fn show(&self, summary: &KindSummary) {
        let kind = summary.kind.as_str();
        let counts = [
            ("ready", summary.ready),
            ("delayed", summary.delayed),
            ("leased", summary.running),
            ("dead", summary.dead),
        ];
        for (state, count) in counts {
            self.messages
                .of(&[kind, state])
                .set_count(usize::try_from(count).unwrap_or(usize::MAX));
        }
        let since = summary.oldest_ready.map_or(0.0, |age| {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            now.saturating_sub(age).as_secs_f64()
        });
        self.oldest_ready.of(&[kind]).set(since);
    }
}
