//! A house that is as the test says.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::{
    Check, CheckState, DeadGroup, Failure, Found, GroupRef, House, Lately, Person, QueueGlance,
    Replayed, StatusReport,
};

/// A house with one check, no dead letters and no stories, until told otherwise.
#[derive(Debug)]
pub struct FakeHouse {
    status: Mutex<StatusReport>,
    story: Mutex<Found>,
    dead: Mutex<Vec<DeadGroup>>,
    lately: Mutex<Lately>,
    replayed: Mutex<Vec<String>>,
}

impl Default for FakeHouse {
    fn default() -> Self {
        let postgres = Check {
            name: "Postgres".into(),
            state: CheckState::Up {
                latency: Duration::from_millis(1),
            },
            pending: None,
        };
        let status = StatusReport {
            queue: Some(QueueGlance {
                waiting: 0,
                oldest: None,
                dead: 0,
            }),
            checks: vec![vec![postgres]],
            version: "0.1.0".into(),
            revision: "a1b2c3d".into(),
            up: Duration::from_secs(3 * 86_400),
            at: Timestamp::UNIX_EPOCH,
        };
        Self {
            status: Mutex::new(status),
            story: Mutex::new(Found::Nothing),
            dead: Mutex::default(),
            lately: Mutex::default(),
            replayed: Mutex::default(),
        }
    }
}

impl FakeHouse {
    /// Changes the status.
    pub fn status_is(&self, change: impl FnOnce(&mut StatusReport)) {
        change(&mut self.status.lock());
    }

    /// What is found under every code.
    pub fn story_is(&self, found: Found) {
        *self.story.lock() = found;
    }

    /// Puts a group of dead letters there.
    pub fn has_dead(&self, group: DeadGroup) {
        self.dead.lock().push(group);
    }

    /// What happened lately, whenever that was.
    pub fn lately_is(&self, lately: Lately) {
        *self.lately.lock() = lately;
    }

    /// What was replayed, in order: error kinds of groups, references of stories.
    #[must_use]
    pub fn replayed(&self) -> Vec<String> {
        self.replayed.lock().clone()
    }
}

#[async_trait]
impl House for FakeHouse {
    async fn status(&self) -> StatusReport {
        self.status.lock().clone()
    }

    async fn story(&self, _: &str, _: &Person) -> Result<Found, Failure> {
        Ok(self.story.lock().clone())
    }

    async fn dead_letters(&self) -> Result<Vec<DeadGroup>, Failure> {
        Ok(self.dead.lock().clone())
    }

    async fn lately(&self, _: Timestamp) -> Result<Lately, Failure> {
        Ok(self.lately.lock().clone())
    }

    async fn dead_group(&self, group: &GroupRef) -> Result<Option<DeadGroup>, Failure> {
        Ok(self
            .dead
            .lock()
            .iter()
            .find(|dead| dead.group == *group)
            .cloned())
    }

    async fn replay(&self, group: &GroupRef) -> Result<Replayed, Failure> {
        let mut dead = self.dead.lock();
        let count = dead
            .iter()
            .filter(|dead| dead.group == *group)
            .map(|dead| dead.count)
            .sum();
        dead.retain(|dead| dead.group != *group);
        self.replayed.lock().push(group.error_kind.clone());
        Ok(Replayed { count })
    }

    async fn replay_story(&self, reference: &str) -> Result<Replayed, Failure> {
        let mut replayed = self.replayed.lock();
        let count = u64::from(!replayed.iter().any(|done| done == reference));
        replayed.push(reference.to_owned());
        Ok(Replayed { count })
    }
}
