//! Whether anything durable takes messages: what makes an edge ready.
//!
//! An edge without Postgres is a good edge as long as its spool has room, and an edge whose spool is broken is one as long as
//! Postgres answers. Only when neither takes anything must a balancer look elsewhere.

use std::time::{Duration, Instant};

use sallyport_postgres::ProcessRole;
use sallyport_queue::Queue;
use sallyport_queue::spool::SpoolState;
use sallyport_telemetry::Health;
use sallyport_telemetry::health::{ComponentHandle, State};
use tokio_util::sync::CancellationToken;

/// How often to look. Both answers are known already; nothing is asked for it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A spool with less room than this percentage is as good as full: a burst would fill it before anybody could act.
const ROOM_PERCENT_MIN: u64 = 10;
/// A refusal that is older than this says nothing about now.
const TROUBLE_COUNTS_FOR: Duration = Duration::from_secs(10);

/// What is watched, and what is told about it.
pub(crate) struct Durable {
    postgres: ComponentHandle,
    spool: Option<ComponentHandle>,
    intake: ComponentHandle,
}

impl Durable {
    /// The components of a process that takes in; none for one that only works.
    pub(crate) fn of(
        role: ProcessRole,
        has_spool: bool,
        health: &Health,
        postgres: &ComponentHandle,
    ) -> Option<Self> {
        (role != ProcessRole::Workers).then(|| Self {
            postgres: postgres.clone(),
            spool: has_spool.then(|| health.component("spool", false)),
            intake: health.component("intake", true),
        })
    }

    /// Watches until `stop`.
    pub(crate) async fn watch(self, queue: Queue, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            self.look(queue.spool().as_ref());
        }
    }

    fn look(&self, spool: Option<&SpoolState>) {
        let asked = Instant::now();
        let takes = spool.map_or_else(|| Err("it is not open".to_owned()), takes);
        if let Some(component) = &self.spool {
            let flawless = takes.clone().and_then(|()| spool.map_or(Ok(()), is_whole));
            match flawless {
                Ok(()) => component.up(asked.elapsed()),
                Err(reason) => component.down(reason),
            }
        }
        match (self.postgres.state(), takes) {
            (State::Up, _) | (_, Ok(())) => self.intake.up(asked.elapsed()),
            (State::Unknown | State::Down | State::NotConfigured, Err(reason)) => {
                let reason = match self.spool {
                    Some(_) => format!("Postgres is away, and the spool takes nothing: {reason}"),
                    None => "Postgres is away, and there is no spool".to_owned(),
                };
                self.intake.down(reason);
            }
        }
    }
}

/// Whether the spool would take a message.
fn takes(spool: &SpoolState) -> Result<(), String> {
    if let Some(trouble) = spool.trouble_within(TROUBLE_COUNTS_FOR) {
        return Err(trouble.to_owned());
    }
    let room = spool.capacity_bytes.saturating_sub(spool.fill.bytes);
    if room.saturating_mul(100) < spool.capacity_bytes.saturating_mul(ROOM_PERCENT_MIN) {
        return Err(format!(
            "less than {ROOM_PERCENT_MIN} % of its room is left"
        ));
    }
    Ok(())
}

/// Whether people should look at it.
fn is_whole(spool: &SpoolState) -> Result<(), String> {
    match spool.quarantined {
        0 => Ok(()),
        files => Err(format!(
            "{files} of its files are damaged and were kept as *.damaged"
        )),
    }
}

#[cfg(test)]
mod tests {
    use sallyport_telemetry::Identity;

    use super::*;

    fn empty() -> SpoolState {
        SpoolState {
            capacity_bytes: 1_000,
            ..SpoolState::default()
        }
    }

    #[test]
    fn an_edge_is_ready_while_postgres_or_its_spool_takes_messages() {
        let health = Health::new(Identity::new("test", "0", "test"));
        let postgres = health.component("postgres", false);
        let durable = Durable::of(ProcessRole::Edge, true, &health, &postgres).unwrap();
        let full = SpoolState {
            fill: sallyport_queue::spool::Fill {
                bytes: 901,
                ..Default::default()
            },
            ..empty()
        };
        let looks = |spool: &SpoolState| (0..3).for_each(|_| durable.look(Some(spool)));

        postgres.down("away");
        looks(&empty());
        assert!(health.ready());
        looks(&full);
        assert!(!health.ready());
        (0..2).for_each(|_| postgres.up(Duration::ZERO));
        looks(&full);
        assert!(health.ready());
    }

    #[test]
    fn a_damaged_file_degrades_and_does_not_make_unready() {
        let health = Health::new(Identity::new("test", "0", "test"));
        let postgres = health.component("postgres", false);
        let durable = Durable::of(ProcessRole::Edge, true, &health, &postgres).unwrap();
        let damaged = SpoolState {
            quarantined: 1,
            ..empty()
        };

        (0..3).for_each(|_| durable.look(Some(&damaged)));

        assert!(health.ready());
        let status = health.status();
        let spool = status
            .components
            .iter()
            .find(|one| one.name == "spool")
            .unwrap();
        assert_eq!(spool.state, State::Down);
    }
}
