//! A listener on the live bus: reads the stream as any page of a dashboard would, notes what it heard and when, and where the numbers
//! of the entries have a hole.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::streams::{StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands, aio::MultiplexedConnection};

use crate::background::Background;

/// How often it looks, and how soon it knocks again at a Redis that is away.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const KNOCK_EVERY: Duration = Duration::from_millis(50);
const AT_ONCE: usize = 1_000;

#[derive(Default)]
struct Notes {
    /// The number of the last entry.
    last: u64,
    first_heard: HashMap<String, Instant>,
    missing: u64,
}

/// Listens until it is dropped.
pub(crate) struct Listener {
    notes: Arc<Mutex<Notes>>,
    _listening: Background,
}

impl Listener {
    /// Begins to listen to this stream, from its beginning.
    pub(crate) fn start(url: String, stream: String) -> Self {
        let notes: Arc<Mutex<Notes>> = Arc::default();
        let noting = Arc::clone(&notes);
        let listening = Background::start(async move { listen(&url, &stream, &noting).await });
        Self {
            notes,
            _listening: listening,
        }
    }

    /// Which of these it has not heard.
    pub(crate) fn unheard(&self, events: &[String]) -> usize {
        let notes = self.notes.lock();
        let unheard = events
            .iter()
            .filter(|event| !notes.first_heard.contains_key(*event));
        unheard.count()
    }

    /// When the last of these was heard first; none while one was not.
    pub(crate) fn all_heard(&self, events: &[String]) -> Option<Instant> {
        let notes = self.notes.lock();
        let times: Option<Vec<Instant>> = events
            .iter()
            .map(|event| notes.first_heard.get(event).copied())
            .collect();
        times?.into_iter().max()
    }

    /// How many events it has heard, each counted once.
    pub(crate) fn count(&self) -> usize {
        self.notes.lock().first_heard.len()
    }

    /// How many entries are gone by their numbers: a reader that sees such a hole reads the state anew.
    pub(crate) fn missing(&self) -> u64 {
        self.notes.lock().missing
    }
}

async fn listen(url: &str, stream: &str, notes: &Mutex<Notes>) {
    loop {
        let client = redis::Client::open(url).unwrap();
        if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
            while read(&mut connection, stream, notes).await.is_ok() {}
        }
        tokio::time::sleep(KNOCK_EVERY).await;
    }
}

async fn read(
    connection: &mut MultiplexedConnection,
    stream: &str,
    notes: &Mutex<Notes>,
) -> redis::RedisResult<()> {
    let after = format!("{}-0", notes.lock().last);
    let options = StreamReadOptions::default().count(AT_ONCE);
    let reply: Option<StreamReadReply> = connection
        .xread_options(&[stream], &[after], &options)
        .await?;
    let entries: Vec<_> = reply
        .into_iter()
        .flat_map(|reply| reply.keys)
        .flat_map(|key| key.ids)
        .collect();
    if entries.is_empty() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let mut notes = notes.lock();
    for entry in entries {
        let number = entry.id.split('-').next().and_then(|it| it.parse().ok());
        let number: u64 = number.unwrap_or(notes.last);
        if notes.last > 0 && number > notes.last + 1 {
            notes.missing += number - notes.last - 1;
        }
        notes.last = notes.last.max(number);
        if let Some(event) = entry.get::<String>("id") {
            notes.first_heard.entry(event).or_insert_with(Instant::now);
        }
    }
    Ok(())
}
