//! How long something on a connection may stay as it is: an answer that its client does not take, a frame that it does not finish.
//!
//! It exists because a connection that waits for its client costs memory for as long as the client likes, and an answer that is being
//! handed on costs hundreds of kilobytes. What is waited for, and since when, is for [`super::gathered`]. A timer exists only while
//! somebody waits.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// How many may wait at a time before the next ones are waited for less: at 400 KB each, what the upstream's answers take in buffers on
/// their way, that is 25 MB.
const WAITING_MANY: usize = 64;
/// How long the next ones are: long enough for a reader that is only as slow as its network.
const WITH_MANY: Duration = Duration::from_millis(100);

/// Counts who waits, over all connections.
#[derive(Debug, Default)]
pub(crate) struct Waiting(AtomicUsize);

/// Runs out when what is waited for does not end in time.
#[derive(Debug)]
pub(super) struct Patience {
    lasts: Duration,
    among: Option<Arc<Waiting>>,
    wait: Option<Wait>,
}

#[derive(Debug)]
struct Wait {
    timer: Pin<Box<Sleep>>,
    _place: Option<Place>,
}

/// One of those who wait, until it is dropped.
#[derive(Debug)]
struct Place(Arc<Waiting>);

impl Patience {
    /// As long as this, whoever else waits.
    pub(super) fn of(lasts: Duration) -> Self {
        Self {
            lasts,
            among: None,
            wait: None,
        }
    }

    /// As long as this, or a moment while many wait.
    pub(super) fn shared(lasts: Duration, among: Arc<Waiting>) -> Self {
        Self {
            among: Some(among),
            ..Self::of(lasts)
        }
    }

    /// What is waited for has happened.
    pub(super) fn renew(&mut self) {
        self.wait = None;
    }

    /// It still has not. The first time this is said since it was renewed, the time begins.
    ///
    /// # Errors
    /// When the time is up.
    pub(super) fn poll_lasts<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let (lasts, among) = (self.lasts, &self.among);
        let wait = self.wait.get_or_insert_with(|| Wait::begin(lasts, among));
        ready!(wait.timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Judges a step that either is done or waits.
    pub(super) fn judge<T>(
        &mut self,
        context: &mut Context<'_>,
        step: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if step.is_pending() {
            return self.poll_lasts(context);
        }
        self.renew();
        step
    }
}

impl Wait {
    fn begin(lasts: Duration, among: &Option<Arc<Waiting>>) -> Self {
        let others = among
            .as_ref()
            .map_or(0, |among| among.0.fetch_add(1, Ordering::Relaxed));
        let lasts = if others < WAITING_MANY {
            lasts
        } else {
            lasts.min(WITH_MANY)
        };
        Self {
            timer: Box::pin(sleep(lasts)),
            _place: among.clone().map(Place),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(8);

    /// Waits until the patience has run out.
    async fn out(patience: &mut Patience) -> io::Result<()> {
        poll_fn(|context| patience.poll_lasts(context)).await
    }

    #[tokio::test(start_paused = true)]
    async fn patience_lasts_from_the_first_wait_and_anew_when_it_was_renewed() {
        let (mut patience, began) = (Patience::of(LONG), Instant::now());
        let _still = tokio::time::timeout(LONG / 2, out(&mut patience)).await;
        assert!(out(&mut patience).await.is_err());
        assert_eq!(began.elapsed().as_secs(), LONG.as_secs());

        patience.renew();

        assert!(out(&mut patience).await.is_err());
        assert_eq!(began.elapsed().as_secs(), 2 * LONG.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn while_many_wait_the_next_is_waited_for_less() {
        let among = Arc::new(Waiting::default());
        let mut many: Vec<_> = (0..=WAITING_MANY)
            .map(|_| Patience::shared(LONG, Arc::clone(&among)))
            .collect();
        let began = Instant::now();
        for patience in &mut many {
            let _begun = tokio::time::timeout(Duration::ZERO, out(patience)).await;
        }

        assert!(out(many.last_mut().unwrap()).await.is_err());
        assert!(began.elapsed() < LONG / 2);

        drop(many);
        let (mut next, began) = (Patience::shared(LONG, among), Instant::now());
        assert!(out(&mut next).await.is_err());
        assert!(began.elapsed() >= LONG);
    }
}
