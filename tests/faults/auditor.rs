//! What the house's own auditor says while the house is broken: it must find nothing missing, since nothing is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::background::Background;
use crate::program::family_sum;

/// How often the workers are asked. The auditor looks every five seconds.
const EVERY: Duration = Duration::from_secs(1);
/// How long its next look may take to come once everything is at rest.
const LOOKS_WITHIN: Duration = Duration::from_secs(20);

const UNACCOUNTED: &str = "sallyport_ledger_unaccounted_messages";
const LAST_SUCCESS: &str = "sallyport_ledger_audit_last_success_timestamp_seconds";

/// What the auditor has said so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Audits {
    /// How many looks of its were heard of.
    pub(crate) looks: usize,
    /// The most messages that it found missing in any of them.
    pub(crate) missing: f64,
}

/// Hears what the auditor says until it is dropped, whichever worker it runs in.
pub(crate) struct Auditor {
    audits: Arc<Mutex<Audits>>,
    hearing: Background,
}

impl Auditor {
    /// Begins to ask at these doors.
    pub(crate) fn start(client: reqwest::Client, doors: Vec<String>) -> Self {
        let audits: Arc<Mutex<Audits>> = Arc::default();
        let heard = Arc::clone(&audits);
        let hearing = Background::start(async move {
            let mut looked = vec![0.0; doors.len()];
            loop {
                for (door, looked) in doors.iter().zip(&mut looked) {
                    ask(&client, door, looked, &heard).await;
                }
                tokio::time::sleep(EVERY).await;
            }
        });
        Self { audits, hearing }
    }

    /// What it says after it has looked once more, or after it had time to.
    pub(crate) async fn look_again(&self) -> Audits {
        let (began, before) = (Instant::now(), self.audits.lock().looks);
        while self.audits.lock().looks == before
            && began.elapsed() < LOOKS_WITHIN
            && !self.hearing.is_stopped()
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        *self.audits.lock()
    }

    /// Hears nothing any more: from here on the row itself takes messages away.
    pub(crate) fn stop(&self) {
        self.hearing.stop();
    }
}

/// Asks one worker, which may be dead, and may not be the one that audits.
async fn ask(client: &reqwest::Client, door: &str, looked: &mut f64, audits: &Mutex<Audits>) {
    let Ok(answer) = client.get(door).send().await else {
        return;
    };
    let text = answer.text().await.unwrap_or_default();
    let (Some(at), Some(missing)) = (
        family_sum(&text, LAST_SUCCESS),
        family_sum(&text, UNACCOUNTED),
    ) else {
        return;
    };
    // A clock that was set back is another moment, too.
    if at > 0.0 && (at - *looked).abs() > 0.0 {
        *looked = at;
        let mut audits = audits.lock();
        audits.looks += 1;
        audits.missing = audits.missing.max(missing);
    }
}
