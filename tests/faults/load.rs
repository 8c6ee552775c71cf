//! The load: an open loop of updates, each posted as Telegram posts it and posted again until it is accepted.
//!
//! Open means that the next request never waits for the last one: its time counts from when it was due. The load outlives every
//! process of the house, and what it was answered is what the house is judged by.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::checker::{Answer, Asked, Moment, Number};
use crate::latency::Times;
use crate::outfit::WEBHOOK_SECRET;
use crate::updates;

/// The ids of the chats that are written in begin here.
pub(crate) const FIRST_CHAT: i64 = 500_000;
/// How long one try may take. Telegram waits longer; a shorter patience finds more.
const TRY_DEADLINE: Duration = Duration::from_secs(15);
/// The first wait before a refused update is posted again; it doubles up to the second.
const AGAIN_FIRST: Duration = Duration::from_millis(250);
const AGAIN_MAX: Duration = Duration::from_secs(2);
/// What the text of each update begins with, and the reply repeats; followed by its number.
pub(crate) const MARK: &str = "/zq";

/// What is to be posted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Base {
    /// Updates in a second.
    pub(crate) rate: u32,
    /// Conversations that they are spread over, in turn.
    pub(crate) chats: i64,
}

/// One try of one update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Try {
    /// When it was due.
    pub(crate) due: Moment,
    /// From then to its answer, or to the end of the patience.
    pub(crate) took: Duration,
    /// `None` where no answer came.
    pub(crate) status: Option<u16>,
    /// Whether the answer said when to come again.
    pub(crate) says_when: bool,
}

/// What the clients know in the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) asked: Vec<Asked>,
    pub(crate) tries: Vec<Try>,
}

impl Told {
    /// The times of all tries that were due between the two moments.
    pub(crate) fn times(&self, from: Moment, to: Moment) -> Times {
        self.due_between(from, to).map(|tried| tried.took).collect()
    }

    /// How many of those had another end than a 2xx.
    pub(crate) fn failed(&self, from: Moment, to: Moment) -> usize {
        let is_2xx = |tried: &Try| {
            tried
                .status
                .is_some_and(|status| (200..300).contains(&status))
        };
        self.due_between(from, to)
            .filter(|tried| !is_2xx(tried))
            .count()
    }

    /// The tries that were due between the two moments.
    pub(crate) fn due_between(&self, from: Moment, to: Moment) -> impl Iterator<Item = &Try> {
        self.tries
            .iter()
            .filter(move |tried| (from..to).contains(&tried.due))
    }
}

/// A load under way.
pub(crate) struct Load {
    origin: Instant,
    told: Arc<Mutex<Told>>,
    tasks: TaskTracker,
    enough: CancellationToken,
    give_up: CancellationToken,
}

impl Load {
    /// Begins to post to the edge at this address.
    pub(crate) fn start(edge: &str, base: Base, origin: Instant) -> Self {
        let url = format!("{edge}/telegram/ops");
        Self::start_at(url, base, Number::default(), origin)
    }

    /// The same for another bot's webhook. Numbers begin behind `before`, and so do the chats.
    pub(crate) fn start_at(url: String, base: Base, before: Number, origin: Instant) -> Self {
        let load = Self {
            origin,
            told: Arc::default(),
            tasks: TaskTracker::new(),
            enough: CancellationToken::new(),
            give_up: CancellationToken::new(),
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(TRY_DEADLINE)
            .build()
            .unwrap();
        let sender = Sender {
            client,
            url,
            before,
            origin,
            told: Arc::clone(&load.told),
            give_up: load.give_up.clone(),
        };
        let (tasks, enough) = (load.tasks.clone(), load.enough.clone());
        load.tasks
            .spawn(pace(Arc::new(sender), base, tasks, enough));
        load
    }

    /// So much time has passed.
    pub(crate) fn now(&self) -> Moment {
        moment(self.origin, Instant::now())
    }

    /// What has been accepted so far.
    pub(crate) fn accepted(&self) -> Vec<Number> {
        let told = self.told.lock();
        let accepted = told.asked.iter().filter(|asked| asked.accepted.is_some());
        accepted.map(|asked| asked.number).collect()
    }

    /// Posts nothing new, gives every update so long to be accepted, and tells what came of all of them.
    pub(crate) async fn finish(self, patience: Duration) -> Told {
        self.enough.cancel();
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait())
            .await
            .is_err()
        {
            self.give_up.cancel();
            self.tasks.wait().await;
        }
        std::mem::take(&mut *self.told.lock())
    }
}

impl Drop for Load {
    /// A row that panics must not leave its load behind for the next.
    fn drop(&mut self) {
        self.enough.cancel();
        self.give_up.cancel();
    }
}

/// Starts each request when it is due, whatever became of those before it.
async fn pace(sender: Arc<Sender>, base: Base, tasks: TaskTracker, enough: CancellationToken) {
    let started = Instant::now();
    let gap = Duration::from_secs(1) / base.rate;
    for number in 0_u32.. {
        let due = started + gap * number;
        let waiting = tokio::time::sleep_until(due.into());
        if enough.run_until_cancelled(waiting).await.is_none() {
            return;
        }
        let behind = i64::try_from(sender.before).unwrap();
        let chat = FIRST_CHAT + behind + i64::from(number) % base.chats;
        let number = sender.before + u64::from(number) + 1;
        let sender = Arc::clone(&sender);
        tasks.spawn(async move { sender.insist(number, chat, due).await });
    }
}

struct Sender {
    client: reqwest::Client,
    url: String,
    before: Number,
    origin: Instant,
    told: Arc<Mutex<Told>>,
    give_up: CancellationToken,
}

impl Sender {
    /// Posts one update until it is accepted or everybody has given up.
    async fn insist(&self, number: Number, chat: i64, due: Instant) {
        let id = i64::try_from(number).unwrap();
        let body = updates::text(id, chat, &format!("{MARK}{number}")).to_string();
        let mut asked = Asked {
            number,
            key: chat,
            began: moment(self.origin, due),
            answer: Answer::Refused,
            accepted: None,
        };
        let (mut due, mut again_after) = (due, AGAIN_FIRST);
        loop {
            let answer = self.post(&body).await;
            let status = answer.map(|(status, _)| status);
            self.told.lock().tries.push(Try {
                due: moment(self.origin, due),
                took: due.elapsed(),
                status,
                says_when: answer.is_some_and(|(_, says_when)| says_when),
            });
            match status {
                Some(200..300) => {
                    asked.answer = Answer::Accepted;
                    asked.accepted = Some(moment(self.origin, Instant::now()));
                    break;
                }
                Some(_) => {}
                None => asked.answer = Answer::Unknown,
            }
            let waiting = tokio::time::sleep(again_after);
            if self.give_up.run_until_cancelled(waiting).await.is_none() {
                break;
            }
            again_after = (again_after * 2).min(AGAIN_MAX);
            due = Instant::now();
        }
        self.told.lock().asked.push(asked);
    }

    async fn post(&self, body: &str) -> Option<(u16, bool)> {
        let posting = self
            .client
            .post(&self.url)
            .header("X-Telegram-Bot-Api-Secret-Token", WEBHOOK_SECRET)
            .header("Content-Type", "application/json")
            .body(body.to_owned())
            .send();
        let answer = self.give_up.run_until_cancelled(posting).await?.ok()?;
        let says_when = answer.headers().contains_key("Retry-After");
        Some((answer.status().as_u16(), says_when))
    }
}

/// A moment as microseconds since the origin.
pub(crate) fn moment(origin: Instant, at: Instant) -> Moment {
    let since = at.saturating_duration_since(origin);
    u64::try_from(since.as_micros()).unwrap()
}
