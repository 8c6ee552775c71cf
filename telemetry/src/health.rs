//! Health: what this process stands on, and whether it may be sent work.
//!
//! Components report what they see; a flap guard makes of it what others are told, so that one slow answer does not take a worker
//! out of the balancer. Liveness touches no dependency: a process that cannot reach Postgres must not be restarted for it.

mod flap;
mod status;

pub use flap::{FAILS, PASSES};
pub use status::{ComponentStatus, State, Status, Verdict};

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::Identity;
use crate::catalogue::Metric;
use crate::metrics::{Gauge, Gauges};
use flap::Flap;

/// A runtime that has not run its probe for so long is stuck.
pub const STUCK_AFTER: Duration = Duration::from_secs(5);

/// The registry of components. Clones share it.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    identity: Identity,
    started: Instant,
    draining: AtomicBool,
    /// Milliseconds after `started` of the probe's last beat; 0 while there has been none.
    beat_ms: AtomicU64,
    components: Mutex<Vec<Component>>,
    up: Gauges,
}

struct Component {
    name: Cow<'static, str>,
    needed: bool,
    flap: Flap,
    latency: Option<Duration>,
    reason: Option<String>,
    since: Timestamp,
    checked: Option<Timestamp>,
    gauge: Option<Gauge>,
}

/// What one component reports through. Clones report for the same component.
#[derive(Clone)]
pub struct ComponentHandle {
    health: Health,
    name: Cow<'static, str>,
}

impl Health {
    /// The health of this process, without components yet. Exposes what is running (`sallyport_build_info`).
    pub fn new(identity: Identity) -> Self {
        identity.expose();
        Self(Arc::new(Inner {
            identity,
            started: Instant::now(),
            draining: AtomicBool::new(false),
            beat_ms: AtomicU64::new(0),
            components: Mutex::new(Vec::new()),
            up: Gauges::new(Metric::DependencyUp),
        }))
    }

    /// Adds a component, or finds it by its name. While one that is needed is not up, the process is not ready; the others only
    /// degrade it. Names come from the code and the configuration: they become a metric's label.
    pub fn component(
        &self,
        name: impl Into<Cow<'static, str>>,
        needed_for_ready: bool,
    ) -> ComponentHandle {
        let name = name.into();
        let mut components = self.0.components.lock();
        if !components.iter().any(|component| component.name == name) {
            components.push(Component {
                name: name.clone(),
                needed: needed_for_ready,
                flap: Flap::default(),
                latency: None,
                reason: None,
                since: Timestamp::now(),
                checked: None,
                gauge: None,
            });
        }
        ComponentHandle {
            health: self.clone(),
            name,
        }
    }

    /// Says that the process is on its way out: no longer ready, still alive.
    pub fn set_draining(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the process is on its way out.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    /// Whether the runtime still runs what it is given. True before the probe has begun.
    pub fn live(&self) -> bool {
        self.live_at(self.0.started.elapsed())
    }

    fn live_at(&self, after_start: Duration) -> bool {
        let beat = self.0.beat_ms.load(Ordering::Relaxed);
        beat == 0 || after_start < Duration::from_millis(beat) + STUCK_AFTER
    }

    /// Whether the process may be sent work: live, not draining, and every needed component up.
    pub fn ready(&self) -> bool {
        self.verdict().is_ready()
    }

    /// Everything there is to know, for a page that engineers read.
    pub fn status(&self) -> Status {
        let components: Vec<_> = self
            .0
            .components
            .lock()
            .iter()
            .map(Component::status)
            .collect();
        let verdict = self.judge(&components);
        Status {
            status: verdict,
            live: self.live(),
            ready: verdict.is_ready(),
            time: Timestamp::now(),
            uptime_s: self.0.started.elapsed().as_secs(),
            identity: self.0.identity.clone(),
            components,
        }
    }

    /// The same in one word.
    pub fn verdict(&self) -> Verdict {
        let components: Vec<_> = self
            .0
            .components
            .lock()
            .iter()
            .map(Component::status)
            .collect();
        self.judge(&components)
    }

    /// Who this process is.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// The runtime runs. Called by the [probe](crate::probe).
    pub(crate) fn beat(&self) {
        let ms = u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.beat_ms.store(ms.max(1), Ordering::Relaxed);
    }

    fn judge(&self, components: &[ComponentStatus]) -> Verdict {
        let needed = |state| {
            components
                .iter()
                .any(|component| component.needed && component.state == state)
        };
        if self.is_draining() {
            Verdict::Draining
        } else if !self.live() || needed(State::Down) {
            Verdict::NotReady
        } else if needed(State::Unknown) {
            Verdict::Starting
        } else if components
            .iter()
            .any(|component| component.state == State::Down)
        {
            Verdict::Degraded
        } else {
            Verdict::Ready
        }
    }
}

impl ComponentHandle {
    /// It answered, and took so long.
    pub fn up(&self, latency: Duration) {
        self.report(|component| {
            component.latency = Some(latency);
            component.flap.observe(true)
        });
    }

    /// It did not answer, or not well; the reason is one sentence for engineers, without a secret.
    pub fn down(&self, reason: impl Into<String>) {
        let reason = reason.into();
        self.report(|component| {
            component.reason = Some(crate::cut(&reason, 512).to_owned());
            component.flap.observe(false)
        });
    }

    /// Nobody asked for it. That is never "down", and it does not hold up readiness.
    pub fn not_configured(&self) {
        self.report(|component| component.flap.switch_off());
    }

    /// What others are told of it now.
    pub fn state(&self) -> State {
        let components = self.health.0.components.lock();
        let found = components
            .iter()
            .find(|component| component.name == self.name);
        found.map_or(State::Unknown, |component| component.flap.state())
    }

    fn report(&self, observe: impl FnOnce(&mut Component) -> bool) {
        let mut components = self.health.0.components.lock();
        let Some(component) = components
            .iter_mut()
            .find(|component| component.name == self.name)
        else {
            return;
        };
        let changed = observe(component);
        component.checked = Some(Timestamp::now());
        component.expose(&self.health.0.up);
        if changed {
            component.since = Timestamp::now();
            component.tell();
        }
    }
}

impl Component {
    fn expose(&mut self, family: &Gauges) {
        let value = match self.flap.state() {
            State::Up => 1.0,
            State::Down => 0.0,
            State::Unknown | State::NotConfigured => return,
        };
        self.gauge
            .get_or_insert_with(|| family.of(&[&self.name]))
            .set(value);
    }

    fn tell(&self) {
        let (component, needed) = (&*self.name, self.needed);
        match self.flap.state() {
            State::Up => {
                tracing::info!(name: "health.component_up", component, needed, "Dependency answers")
            }
            State::Down => {
                let reason = self.reason.as_deref();
                tracing::warn!(name: "health.component_down", component, needed, reason, "Dependency does not answer");
            }
            State::Unknown | State::NotConfigured => {}
        }
    }

    fn status(&self) -> ComponentStatus {
        let state = self.flap.state();
        ComponentStatus {
            name: self.name.to_string(),
            state,
            needed: self.needed,
            latency_ms: self
                .latency
                .filter(|_| state == State::Up)
                .map(|latency| latency.as_secs_f64() * 1000.0),
            reason: self.reason.clone().filter(|_| state == State::Down),
            since: self.since,
            checked: self.checked,
        }
    }
}

#[cfg(test)]
mod tests;
