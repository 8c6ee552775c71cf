//! Points in a message's life at which a test stops the process (the kill points K0 to K11), places for planted faults, and a disk
//! that fails.
//!
//! A point that is armed tells on standard error that it was reached, and the task that reached it goes no further: the test sees the
//! line and kills the process, as a power cut would. Everything else of the process goes on meanwhile. Built for tests only: the
//! feature is off by default, and a release build with it does not compile. Who arms what is for the binary, which reads the environment.

use std::io::Write;
use std::time::Duration;

#[cfg(not(debug_assertions))]
compile_error!(
    "fail points must never get into a release build: leave the feature `fail-points` out"
);

/// How long something that was begun gets to leave this process, before the point behind its beginning is told.
const ON_ITS_WAY: Duration = Duration::from_millis(10);

/// A point that can be armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The head of a webhook was read.
    K0,
    /// The webhook is known to be genuine and whole.
    K1,
    /// The commit was sent to Postgres.
    K2,
    /// The message is durable, its 2xx is not sent.
    K3,
    /// The 2xx is sent.
    K4,
    /// A worker has claimed the message, its handler has not begun.
    K5,
    /// The handler runs.
    K6,
    /// The bytes of a send are out, no reply was read.
    K7,
    /// The reply was read, the result is not committed.
    K8,
    /// The result is committed, the claim is not released.
    K9,
    /// The handler runs on, and its lease is about to be moved.
    K10,
    /// A record of the spool is in Postgres, the spool does not know it yet.
    K11,
    /// A planted fault: a send that is left out and yet reported as done.
    Loss,
    /// A message does harm to whoever handles it, as its text says.
    Poison,
    /// A planted fault: a send that is made twice and reported once.
    Double,
    /// A flush of the spool's disk that fails, or takes its time.
    SpoolSync,
}

impl Point {
    /// Every point.
    pub const ALL: [Self; 16] = [
        Self::K0,
        Self::K1,
        Self::K2,
        Self::K3,
        Self::K4,
        Self::K5,
        Self::K6,
        Self::K7,
        Self::K8,
        Self::K9,
        Self::K10,
        Self::K11,
        Self::Loss,
        Self::Double,
        Self::SpoolSync,
        Self::Poison,
    ];

    /// Its name in a plan.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::K0 => "K0",
            Self::K1 => "K1",
            Self::K2 => "K2",
            Self::K3 => "K3",
            Self::K4 => "K4",
            Self::K5 => "K5",
            Self::K6 => "K6",
            Self::K7 => "K7",
            Self::K8 => "K8",
            Self::K9 => "K9",
            Self::K10 => "K10",
            Self::K11 => "K11",
            Self::Loss => "loss",
            Self::Double => "double",
            Self::SpoolSync => "spool-sync",
            Self::Poison => "poison",
        }
    }
}

/// A plan that cannot be carried out.
#[derive(Debug, thiserror::Error)]
#[error("fail point \"{entry}\": {reason}")]
pub struct PlanError {
    entry: String,
    reason: String,
}

/// Arms points: `K2=36*off->1*return` stops whoever comes 37th, `K10=1*return(200)` tells the first one and holds it up for 200 ms.
/// Several are separated by `;`. The words on the right are those of the crate `fail`.
///
/// # Errors
/// A point that does not exist, or actions that cannot be read.
pub fn arm(plan: &str) -> Result<(), PlanError> {
    for entry in plan
        .split(';')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        let wrong = |reason: String| PlanError {
            entry: entry.to_owned(),
            reason,
        };
        let (name, actions) = entry
            .split_once('=')
            .ok_or_else(|| wrong("has no \"=\"".to_owned()))?;
        if !Point::ALL.iter().any(|point| point.name() == name) {
            return Err(wrong("is not a point of ours".to_owned()));
        }
        fail::cfg(name, actions).map_err(wrong)?;
    }
    Ok(())
}

/// Passes the point. Where it is armed for this passing, it is told, and the caller goes on after the time the plan says, or never.
pub async fn reach(point: Point) {
    if let Some(hold) = armed(point) {
        tell(point);
        hold.last().await;
    }
}

/// The same for a point in the middle of `work`: where it is armed, the work gets a moment to leave the process, and its outcome is
/// kept from the caller.
pub async fn reach_during<F: Future>(point: Point, work: F) -> F::Output {
    let Some(hold) = armed(point) else {
        return work.await;
    };
    let mut work = std::pin::pin!(work);
    let done = tokio::time::timeout(ON_ITS_WAY, &mut work).await;
    tell(point);
    hold.last().await;
    match done {
        Ok(done) => done,
        Err(_elapsed) => work.await,
    }
}

/// Whether a planted fault is due for this passing.
#[must_use]
pub fn is_planted(point: Point) -> bool {
    let is_due = armed(point).is_some();
    if is_due {
        tell(point);
    }
    is_due
}

/// Passes a point on a thread that may block. Where it is armed with `sleep(2000)` the thread sleeps so long, and whether it is to fail
/// says the answer (`return`).
#[must_use]
pub fn fails(point: Point) -> bool {
    fail::eval(point.name(), |_| ()).is_some()
}

/// How long whoever reached a point is held up.
enum Hold {
    For(Duration),
    Forever,
}

impl Hold {
    async fn last(&self) {
        match self {
            Self::For(time) => tokio::time::sleep(*time).await,
            Self::Forever => std::future::pending().await,
        }
    }
}

fn armed(point: Point) -> Option<Hold> {
    fail::eval(point.name(), |argument| {
        match argument.and_then(|text| text.parse().ok()) {
            Some(milliseconds) => Hold::For(Duration::from_millis(milliseconds)),
            None => Hold::Forever,
        }
    })
}

/// One line on standard error, written whole. A test whose line is lost waits in vain and says so.
fn tell(point: Point) {
    let line = format!("fail point {} is reached\n", point.name());
    drop(std::io::stderr().write_all(line.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_planned_passing_is_held_up_and_no_other() {
        arm("K10=2*off->1*return(30)").unwrap();
        let mut times = Vec::new();

        for _ in 0..4 {
            let began = std::time::Instant::now();
            reach(Point::K10).await;
            times.push(began.elapsed() >= Duration::from_millis(30));
        }

        assert_eq!(times, [false, false, true, false]);
    }

    #[tokio::test]
    async fn work_under_way_is_begun_before_its_point_is_told() {
        arm("K7=1*return(1)").unwrap();
        let (begun, mut has_begun) = tokio::sync::oneshot::channel();

        let outcome = reach_during(Point::K7, async move {
            begun.send(()).unwrap();
            7
        });

        assert_eq!(outcome.await, 7);
        assert!(has_begun.try_recv().is_ok());
    }

    #[test]
    fn a_plan_names_what_is_wrong_with_it() {
        assert!(
            arm("K99=return")
                .unwrap_err()
                .to_string()
                .contains("not a point")
        );
        assert!(arm("K1").unwrap_err().to_string().contains("\"=\""));
        assert!(arm("K1=explode").is_err());
    }
}
