//! What happens at the gates: who is turned away, and from when to when.

use std::time::Duration;

use sallyport_telemetry::metrics::{Counter, Gauge};
use sallyport_telemetry::{Event, Label, Metric, counter, gauge};

use crate::settings::Importance;
use crate::shedding::Level;

/// Why somebody was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Nobody is quick, so all of this importance are.
    Slow,
    /// As many wait as may when one of this importance comes.
    Full,
}

/// The series of one gate, looked up once.
pub(crate) struct GateMeters {
    level: Gauge,
    turned_away: [TurnedAway; 3],
}

/// Those of one importance.
struct TurnedAway {
    slow: Counter,
    full: Counter,
}

impl GateMeters {
    pub(crate) fn new(gate: &str) -> Self {
        let of = |importance: Importance, why| {
            let labels = [
                (Label::Gate, gate),
                (Label::Importance, importance.name()),
                (Label::Reason, why),
            ];
            counter(Metric::RequestsShed, &labels)
        };
        Self {
            level: gauge(Metric::SheddingLevel, &[(Label::Gate, gate)]),
            turned_away: Importance::TURNED_AWAY.map(|importance| TurnedAway {
                slow: of(importance, "slow"),
                full: of(importance, "full"),
            }),
        }
    }

    /// So many classes are turned away now.
    pub(crate) fn level(&self, level: Level) {
        self.level.set(level.classes());
    }

    /// A request was turned away. One atomic addition.
    pub(crate) fn turned_away(&self, importance: Importance, why: Why) {
        let Some(turned_away) = self.turned_away.get(importance as usize) else {
            return;
        };
        match why {
            Why::Slow => turned_away.slow.increment(),
            Why::Full => turned_away.full.increment(),
        }
    }
}

/// One class more, or one less, is turned away.
pub(crate) struct Shifted<'a> {
    pub(crate) gate: &'a str,
    pub(crate) from: Level,
    pub(crate) to: Level,
    /// How long the quickest of the last interval took, if anybody was answered.
    pub(crate) quickest: Option<Duration>,
    pub(crate) waiting: u64,
}

impl Event for Shifted<'_> {
    type Meters = ();

    fn emit(&self, (): &()) {
        macro_rules! told {
            ($level:ident, $name:literal, $text:literal) => {
                tracing::$level!(
                    name: $name,
                    {
                        gate = self.gate,
                        turned_away = %self.to,
                        quickest_ms = self.quickest.map(|took| took.as_secs_f64() * 1e3),
                        waiting = self.waiting,
                    },
                    $text
                )
            };
        }
        if self.from == Level::NONE {
            told!(
                warn,
                "edge.shedding_started",
                "The less important is turned away, because answers take too long"
            );
        } else if self.from < self.to {
            told!(
                warn,
                "edge.shedding_rose",
                "More is turned away, because answers still take too long"
            );
        } else if self.to == Level::NONE {
            told!(
                info,
                "edge.shedding_ended",
                "Nothing is turned away any more"
            );
        } else {
            told!(info, "edge.shedding_fell", "Less is turned away");
        }
    }
}
