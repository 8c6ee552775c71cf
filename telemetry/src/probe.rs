//! The runtime probe: a ticker that should fire every 100 ms and measures how late it does.
//!
//! It runs on the runtime that does the work, so a blocked runtime shows here before anybody times out, and it is what
//! [`Health::live`] believes in.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::Health;
use crate::catalogue::Metric;
use crate::metrics::{histogram, install};

const TICK: Duration = Duration::from_millis(100);
/// Ticks between two foldings of fresh observations into histogram buckets: 5 s.
const UPKEEP_TICKS: u32 = 50;

/// Probes until told to stop. Spawn it on the tracker of the process.
///
/// Cancel safe: nothing is lost but the tick that would have come.
pub async fn run(health: Health, stop: CancellationToken) {
    let delay = histogram(Metric::RuntimeSchedulingDelay, &[]);
    let exposition = install();
    let mut ticker = interval_at(Instant::now() + TICK, TICK);
    // After a stall one late tick tells it all; a burst of missed ones would say "on time" nine times.
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks = 0u32;
    health.beat();
    loop {
        let due = tokio::select! {
            due = ticker.tick() => due,
            () = stop.cancelled() => return,
        };
        delay.record(due.elapsed());
        health.beat();
        ticks = ticks.wrapping_add(1);
        if ticks.is_multiple_of(UPKEEP_TICKS) {
            exposition.upkeep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    #[tokio::test]
    async fn the_probe_measures_and_beats_until_it_is_told_to_stop() {
        let health = Health::new(Identity::new("0.0.0", "test", "test"));
        let stop = CancellationToken::new();
        let probe = run(health.clone(), stop.clone());
        let measured = async {
            // Each tick of this ticker is a chance to look; the test's own deadline is the bound.
            let mut look = tokio::time::interval(TICK);
            while !install()
                .render()
                .contains("sallyport_runtime_scheduling_delay_seconds_bucket")
            {
                look.tick().await;
            }
            stop.cancel();
        };

        let done = tokio::time::timeout(
            Duration::from_secs(5),
            futures::future::join(probe, measured),
        )
        .await;

        assert!(done.is_ok());
        assert!(health.live());
    }
}
