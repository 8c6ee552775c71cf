//! The driver's tasks at the database, and whether the runtime still comes round to them.
//!
//! It exists because a handler that never gives its thread back may have swallowed any of them: the runtime keeps the task that
//! was woken last for the thread that woke it. The driver would wait for its report for ever, and nobody would be told.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Whatever such a task waits for has a deadline below this: statements, connections, the pauses of [`super::room::Patience`].
const POLLED_WITHIN: Duration = Duration::from_secs(30);

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When each task that is under way was last polled.
pub(super) struct UnderWay {
    since: Instant,
    tasks: Vec<Weak<AtomicU64>>,
    looked_at: Instant,
    were_all_polled: bool,
}

impl UnderWay {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            tasks: Vec::new(),
            looked_at: now,
            were_all_polled: true,
        }
    }

    /// The same work, which leaves word whenever it is polled.
    pub(super) fn watch<T, F: Future<Output = T> + Send>(
        &mut self,
        work: F,
    ) -> impl Future<Output = T> + Send + use<T, F> {
        let since = self.since;
        let now = move || {
            let nanos = since.elapsed().as_nanos();
            u64::try_from(nanos).unwrap_or(u64::MAX)
        };
        let polled_at = Arc::new(AtomicU64::new(now()));
        self.tasks.push(Arc::downgrade(&polled_at));
        async move {
            let mut work = pin!(work);
            poll_fn(|context| {
                polled_at.store(now(), Ordering::Relaxed);
                work.as_mut().poll(context)
            })
            .await
        }
    }

    /// Whether the runtime comes round to all of them. Looks once a second, and forgets those that are over.
    pub(super) fn are_all_polled(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.looked_at) < LOOK_EVERY {
            return self.were_all_polled;
        }
        self.looked_at = now;
        let age = now.saturating_duration_since(self.since);
        let oldest = age.saturating_sub(POLLED_WITHIN).as_nanos();
        self.were_all_polled = true;
        self.tasks.retain(|task| {
            let Some(polled_at) = task.upgrade() else {
                return false;
            };
            self.were_all_polled &= u128::from(polled_at.load(Ordering::Relaxed)) >= oldest;
            true
        });
        self.were_all_polled
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_task_that_nobody_polls_is_noticed_until_it_is_over() {
        let start = Instant::now();
        let mut under_way = UnderWay::new(start);
        let mut swallowed = Box::pin(under_way.watch(std::future::pending::<()>()));
        assert!(swallowed.as_mut().now_or_never().is_none());
        let done = under_way.watch(std::future::ready(()));
        assert!(done.now_or_never().is_some());

        let second = Duration::from_secs(1);
        assert!(under_way.are_all_polled(start + POLLED_WITHIN));
        assert!(!under_way.are_all_polled(start + POLLED_WITHIN + 5 * second));

        drop(swallowed);
        assert!(under_way.are_all_polled(start + POLLED_WITHIN + 6 * second));
        assert!(under_way.tasks.is_empty());
    }
}
