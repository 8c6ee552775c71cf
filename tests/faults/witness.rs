//! The witness: notes every effect that the stand-in for Telegram has received, while the house is killed and restarted around it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;

use crate::background::Background;
use crate::checker::{Number, Seen};
use crate::load::MARK;

/// How often the stand-in is asked. Its log is long enough for minutes.
const EVERY: Duration = Duration::from_millis(200);

/// A call as the stand-in's log tells it.
#[derive(Deserialize)]
struct Line {
    seq: u64,
    at_ms: i64,
    chat_id: Option<i64>,
    text: Option<String>,
    status: u16,
    #[serde(default)]
    answer_lost: bool,
}

/// An effect and when the stand-in saw it, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    pub(crate) seen: Seen,
    pub(crate) at_ms: i64,
}

#[derive(Default)]
struct Notes {
    after: u64,
    sights: Vec<Sight>,
    numbers: HashSet<Number>,
}

/// Watches one stand-in until it is dropped.
pub(crate) struct Witness {
    notes: Arc<Mutex<Notes>>,
    _watching: Background,
}

impl Witness {
    /// Begins to watch the playground at this port.
    pub(crate) fn start(client: reqwest::Client, port: u16) -> Self {
        let notes: Arc<Mutex<Notes>> = Arc::default();
        let noting = Arc::clone(&notes);
        let watching = Background::start(async move {
            loop {
                note(&client, port, &noting).await;
                tokio::time::sleep(EVERY).await;
            }
        });
        Self {
            notes,
            _watching: watching,
        }
    }

    /// Everything seen so far, in the order of arrival.
    pub(crate) fn sights(&self) -> Vec<Sight> {
        self.notes.lock().sights.clone()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.notes.lock().sights.len()
    }

    /// Those of these whose effect has not been seen.
    pub(crate) fn unseen(&self, numbers: &[Number]) -> Vec<Number> {
        let notes = self.notes.lock();
        let unseen = numbers
            .iter()
            .filter(|number| !notes.numbers.contains(number));
        unseen.copied().collect()
    }
}

/// Asks once. A stand-in that does not answer is asked again; its log waits.
async fn note(client: &reqwest::Client, port: u16, notes: &Mutex<Notes>) {
    let after = notes.lock().after;
    let url = format!(
        "http://127.0.0.1:{port}/_/telegram/log?method=sendMessage&after={after}&limit=20000"
    );
    let Ok(answer) = client.get(url).send().await else {
        return;
    };
    let Ok(lines) = answer.json::<Vec<Line>>().await else {
        return;
    };
    let mut notes = notes.lock();
    for line in lines {
        notes.after = line.seq;
        if let Some(seen) = effect(&line) {
            let at_ms = line.at_ms;
            notes.sights.push(Sight { seen, at_ms });
            notes.numbers.insert(seen.number);
        }
    }
}

/// The effect of a call that was carried out, whether or not its answer arrived.
fn effect(line: &Line) -> Option<Seen> {
    let was_done = line.status == 200 || line.answer_lost;
    let (_, rest) = line.text.as_deref()?.split_once(MARK)?;
    let digits = rest
        .split(|character: char| !character.is_ascii_digit())
        .next()?;
    let number: Number = digits.parse().ok()?;
    was_done.then_some(Seen {
        number,
        key: line.chat_id?,
    })
}
