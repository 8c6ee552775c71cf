//! Giving up the less important first while the house is slow (`docs/adr/0022`).
//!
//! It exists because bounds alone refuse whoever comes next, a person as readily as a crawler, and only after a queue has built up.
//! Before whatever may be slow stands a [`Gate`]: one before the queue, and one before each upstream or group. It measures how long
//! those wait that it let in, and turns away by [`Importance`] while nobody is served quickly: background first, people last, health
//! pages never. What is slow behind one gate costs nobody at another.
//!
//! A request takes no lock for it. What was acknowledged is not touched: whoever is turned away is turned away before anything was
//! stored or handed on. How a refusal is worded is for [`crate::refusal`]; [`level`] is the rule alone, without a clock of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_telemetry::health::ComponentHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::rules::CurrentRules;
use crate::settings::{ForwardSettings, Importance, RouteSettings, Settings, SheddingSettings};

mod gate;
mod level;

pub(crate) use gate::{Gate, Waiting};
pub(crate) use level::Level;

use level::Usual;

/// The gate before the queue.
const ACCEPT: &str = "accept";

/// All gates.
pub(crate) struct Shedding {
    settings: SheddingSettings,
    gates: BTreeMap<String, Arc<Gate>>,
}

impl Shedding {
    /// A gate before everything that routes lead to. One that has not changed is taken over from `before` with all that it knows.
    pub(crate) fn new(settings: &Settings, before: Option<&Self>) -> Self {
        let shedding = &settings.shedding;
        let before = before.filter(|before| before.settings == *shedding);
        let gate = |route: &RouteSettings| {
            let name = name(route)?;
            let known = before.and_then(|before| before.gates.get(&name));
            let made = match (known, &route.accept) {
                (Some(known), _) => Arc::clone(known),
                (None, Some(_)) => Arc::new(Gate::new(&name, &shedding.accept, Usual::Never)),
                (None, None) => Arc::new(Gate::new(&name, &shedding.forward, Usual::Unknown)),
            };
            Some((name, made))
        };
        let routes = settings.routes.iter().filter(|_| shedding.enabled);
        let mut gates = BTreeMap::new();
        for (name, made) in routes.filter_map(gate) {
            gates.entry(name).or_insert(made);
        }
        Self {
            settings: shedding.clone(),
            gates,
        }
    }

    /// What stands before that to which a route leads; nothing where nobody is turned away.
    pub(crate) fn gate_of(&self, route: &RouteSettings) -> Option<Arc<Gate>> {
        self.gates.get(&name(route)?).cloned()
    }

    /// These gates count from now on, and no longer those of `before`.
    pub(crate) fn take_over_from(&self, before: &Self) {
        for (name, old) in &before.gates {
            let goes_on = self
                .gates
                .get(name)
                .is_some_and(|new| Arc::ptr_eq(new, old));
            if !goes_on {
                old.retire();
            }
        }
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(self.settings.interval_ms)
    }

    /// Judges all gates, and says so where people look.
    fn judge(&self, now: Instant, capacity: &ComponentHandle) {
        if !self.settings.enabled {
            return capacity.not_configured();
        }
        let (mut slowest, mut told) = (Duration::ZERO, Vec::new());
        for (name, gate) in &self.gates {
            let judged = gate.judge(now);
            slowest = slowest.max(judged.quickest.unwrap_or_default());
            if judged.level != Level::NONE {
                told.push(format!("{name} turns away what is {}", judged.level));
            }
        }
        match told.is_empty() {
            true => capacity.up(slowest),
            false => capacity.down(told.join("; ")),
        }
    }
}

/// As metrics call the gate of a route; nothing for what the edge answers itself, and for what is vital: whoever is never turned
/// away may be as slow as he likes.
fn name(route: &RouteSettings) -> Option<String> {
    if route.accept.is_some() {
        return Some(ACCEPT.to_owned());
    }
    if route.importance() == Importance::Vital {
        return None;
    }
    let ForwardSettings {
        upstream,
        upstreams,
        ..
    } = route.forward.as_ref()?;
    match (upstream, upstreams) {
        (Some(address), _) => Some(format!("forward:{address}")),
        (None, Some(group)) => Some(format!("forward:{group}")),
        (None, None) => None,
    }
}

/// Judges the gates of now, interval by interval, until `stop`.
pub(crate) async fn keep(rules: CurrentRules, capacity: ComponentHandle, stop: CancellationToken) {
    loop {
        let interval = {
            let rules = rules.load();
            rules.shedding.judge(Instant::now(), &capacity);
            rules.shedding.interval()
        };
        if timeout(interval, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}
