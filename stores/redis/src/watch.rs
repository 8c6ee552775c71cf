//! Looking after Redis: whether it is there, for health and for the circuit, and who else is.

use std::time::Duration;

use sallyport_telemetry::Chain;
use sallyport_telemetry::health::ComponentHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::client::Redis;

/// More often than the circuit lets somebody try, so that with a watcher no request ever has to find out.
const PING_EVERY: Duration = Duration::from_millis(500);
/// Pings between two words of presence: 2 s.
const HERE_EVERY: u32 = 4;

/// Which processes share a limit among themselves, and which of them this is.
#[derive(Debug, Clone)]
pub struct Kin {
    /// `edge` or `workers`: shares are counted apart.
    pub kind: &'static str,
    /// This process.
    pub instance: String,
}

impl Redis {
    /// Asks whether Redis is there until `stop`, and reports to `component`, which should only degrade the process.
    pub async fn watch(self, kin: Kin, component: ComponentHandle, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(PING_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tick = 0_u32;
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match self.ping().await {
                Ok(latency) => component.up(latency),
                Err(error) => {
                    component.down(Chain(&error).to_string());
                    continue;
                }
            }
            if tick.is_multiple_of(HERE_EVERY) {
                // Not counting once is no loss: the last count stays.
                drop(self.say_here(kin.kind, &kin.instance).await);
            }
            tick = tick.wrapping_add(1);
        }
    }
}
