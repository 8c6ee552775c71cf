//! A whole set of workers over a scratch database and a small Telegram, with an app that has one command per story.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sallyport_kit::{
    App, Button, Command, Context, Ended, Failure, Language, Outcome, Reply, Role, Texts,
};
use sallyport_postgres::testing::TestDatabase;
use sallyport_postgres::{AppMigration, Pools, migrate_app};
use sallyport_queue::membership::{self, Membership};
use sallyport_queue::ownership::WorkerId;
use sallyport_queue::{Intake, Key, NewMessage, PayloadFormat, Priority, Queue};
use sallyport_recorder::Recorder;
use sallyport_telemetry::trace::{KeepPolicy, Sinks, SpanContext};
use sallyport_telemetry::{Health, Identity};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::telegram::Telegram;
use crate::delivery::pacing::Pacing;
use crate::{
    BotSettings, DEFAULT_TENANT, Parts, Receive, Settings, StartError, Workers, WorkersHandle,
};

/// Stories end within this, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

pub(super) async fn wait_until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !happened().await {
        assert!(start.elapsed() < PATIENCE, "it never happened that {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) struct House {
    pub(super) database: TestDatabase,
    pub(super) owner: tokio_postgres::Client,
    pub(super) telegram: Telegram,
    /// What the next workers know of webhooks.
    pub(super) webhooks: crate::webhooks::Settings,
    intake: Intake,
    update: AtomicUsize,
}

impl House {
    pub(super) async fn build() -> Self {
        let database = TestDatabase::create().await;
        let migrations: Vec<AppMigration> = sallyport_kit::MIGRATIONS
            .iter()
            .map(|step| (step.version, step.name, step.sql))
            .collect();
        migrate_app(database.url(), "kit", &migrations)
            .await
            .unwrap();
        let owner = database.owner().await;
        let queue = Queue::open(database.pools(), sallyport_queue::Settings::default())
            .await
            .unwrap();
        Self {
            owner,
            telegram: Telegram::open().await,
            webhooks: crate::webhooks::Settings::default(),
            intake: queue.intake(),
            update: AtomicUsize::new(1),
            database,
        }
    }

    pub(super) fn bot(&self, name: &str, token: &str) -> BotSettings {
        BotSettings {
            name: name.to_owned(),
            tenant: DEFAULT_TENANT.to_owned(),
            app: "probe".to_owned(),
            token: token.into(),
            telegram: sallyport_telegram::Settings {
                base_url: format!("http://{}", self.telegram.address).parse().unwrap(),
                request_timeout_ms: 2_000,
                ..Default::default()
            },
            receive: Receive::Off,
            newcomers: Role::Operator,
            pacing: Pacing::OwnServer,
            model: true,
        }
    }

    pub(super) async fn workers(&self) -> WorkersHandle {
        self.start(vec![self.bot("ops", "1:x"), self.bot("tarot", "2:y")])
            .await
            .unwrap()
    }

    /// Another process, as far as the database can see.
    pub(super) async fn start(&self, bots: Vec<BotSettings>) -> Result<WorkersHandle, StartError> {
        static WORKER: AtomicUsize = AtomicUsize::new(0);
        let settings = Settings {
            bots,
            preview_private_ms: 500,
            still_trying_after_ms: 1_000,
            webhooks: self.webhooks.clone(),
            ..Settings::default()
        };
        let pools: Pools = self.database.pools();
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let queue = Queue::open(pools.clone(), sallyport_queue::Settings::default())
            .await
            .unwrap();
        let me = WorkerId::new(&format!("w{}", WORKER.fetch_add(1, Ordering::Relaxed)));
        let lease = membership::Settings { lease_ms: 1_000 };
        let membership = Membership::join(&pools, &lease, me).await.unwrap();
        let keep = KeepPolicy {
            ratio: 1.0,
            slow_ms: 60_000,
        };
        let recorder = Recorder::start(
            &pools,
            &sallyport_recorder::Settings::default(),
            &tasks,
            &stop,
        );
        let parts = Parts {
            pools,
            redis: None,
            queue,
            membership: Arc::new(membership),
            pool: crate::pool::PoolSettings::default(),
            recorder,
            models: sallyport_ai::Models::NotConfigured,
            apps: HashMap::from([("probe".to_owned(), Arc::new(probe()))]),
            health: Health::new(Identity::new("0.0.0", "test", "test")),
            sinks: Arc::new(Sinks::default()),
            keep,
        };
        Workers::start(&settings, parts, stop).await
    }

    /// Somebody writes to a bot in their private chat.
    pub(super) async fn say(&self, bot: &str, chat: i64, text: &str) {
        let update = self.update(chat, text);
        self.accept(bot, chat, &update).await;
    }

    pub(super) fn update(&self, chat: i64, text: &str) -> Value {
        let id = self.update.fetch_add(1, Ordering::Relaxed);
        json!({"update_id": id, "message": {
            "message_id": id, "date": 1_700_000_000, "text": text,
            "chat": {"id": chat, "type": "private", "first_name": "Ada"},
            "from": {"id": chat, "is_bot": false, "first_name": "Ada", "language_code": "en"}
        }})
    }

    pub(super) async fn accept(&self, bot: &str, chat: i64, update: &Value) {
        let message = NewMessage {
            bot: bot.to_owned(),
            tenant: bot.to_owned(),
            source: format!("telegram:{bot}"),
            delivery_id: Some(update["update_id"].to_string()),
            kind: "telegram.update".to_owned(),
            kind_version: 1,
            key: Key::from(format!("in:telegram:{bot}:{chat}")),
            priority: Priority::Interactive,
            payload: Bytes::from(update.to_string()),
            payload_format: PayloadFormat::Json,
            subject: Some(format!("telegram:{chat}")),
            cause: None,
            trace: SpanContext::new_root(true),
            edge_spans: None,
            delay: None,
            expires_in: None,
            unique: None,
        };
        self.intake.accept(message).await.unwrap();
    }

    pub(super) async fn count(&self, table: &str, which: &str) -> i64 {
        let statement = format!("SELECT count(*) FROM {table} WHERE {which}");
        self.owner.query_one(&statement, &[]).await.unwrap().get(0)
    }

    pub(super) async fn shows(&self, chat: i64, wanted: impl Fn(&[String]) -> bool) {
        wait_until("the chat shows what it should", async || {
            wanted(&self.telegram.shown(chat))
        })
        .await;
    }

    pub(super) async fn is_idle(&self) {
        wait_until("the queue is empty", async || {
            self.count("queue", "true").await == 0
        })
        .await;
    }
}

const WORDS: &str = "about-echo = Says it again\nabout-long = Says much\nabout-stream = Says it slowly\nabout-break = Breaks\nabout-flaky = Works later\nabout-ask = Asks back\nabout-point = Points a webhook\nabout-post = Posts to it\nabout-seen = Looks at it\nabout-forget = Forgets it\n";

fn probe() -> App {
    let texts = Texts::new(&[(Language::English, WORDS)]).unwrap();
    App::new("probe", texts)
        .command(Echo)
        .command(Long)
        .command(Stream(AtomicUsize::new(0)))
        .command(Break)
        .command(Flaky(AtomicUsize::new(0)))
        .command(AskBack)
        .command(super::webhooks::Point)
        .command(super::webhooks::Post)
        .command(super::webhooks::Seen)
        .command(super::webhooks::Forget)
        .button(Chosen)
}

struct Echo;
impl Command for Echo {
    const NAME: &'static str = "echo";
    type Arguments = String;

    async fn run(&self, context: &Context, words: String) -> Ended {
        context.reply(Reply::plain(format!("{}: {words}", context.us().bot)));
        Ok(Outcome::Done)
    }
}

/// Three messages' worth of text.
struct Long;
impl Command for Long {
    const NAME: &'static str = "long";
    type Arguments = ();

    async fn run(&self, context: &Context, (): ()) -> Ended {
        let part = |letter: &str| letter.repeat(4_000);
        context.reply(Reply::plain([part("a"), part("b"), part("c")].join("\n")));
        Ok(Outcome::Done)
    }
}

/// Streams two sentences, breaks in its first attempt, and finishes in its second.
struct Stream(AtomicUsize);
impl Command for Stream {
    const NAME: &'static str = "stream";
    type Arguments = ();

    async fn run(&self, context: &Context, (): ()) -> Ended {
        let mut answer = context.answer("one").await?;
        answer.write("The first sentence is here. ").await?;
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        answer.write("The **second** is").await?;
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
            return Err(Failure::passing("planted", "Broken on purpose"));
        }
        answer.write(" too.").await?;
        answer.finish();
        Ok(Outcome::Done)
    }
}

/// Never works.
struct Break;
impl Command for Break {
    const NAME: &'static str = "break";
    type Arguments = ();

    async fn run(&self, context: &Context, (): ()) -> Ended {
        context.reply(Reply::plain("said by an attempt that fails"));
        Err(Failure::lasting("planted", "Broken on purpose"))
    }
}

/// Fails twice and then works.
struct Flaky(AtomicUsize);
impl Command for Flaky {
    const NAME: &'static str = "flaky";
    type Arguments = ();

    async fn run(&self, context: &Context, (): ()) -> Ended {
        if self.0.fetch_add(1, Ordering::Relaxed) < 2 {
            let failure = Failure::passing("planted", "Broken on purpose");
            return Err(failure.not_before(Duration::from_secs(1)));
        }
        context.reply(Reply::plain("worked"));
        Ok(Outcome::Done)
    }
}

/// Shows a button.
struct AskBack;
impl Command for AskBack {
    const NAME: &'static str = "ask";
    type Arguments = String;

    async fn run(&self, context: &Context, words: String) -> Ended {
        let button = context.button::<Chosen>("about-ask", &words)?;
        context.reply(Reply::plain("which?").row([button]));
        Ok(Outcome::Done)
    }
}

/// Says what the button meant.
struct Chosen;
impl Button for Chosen {
    const NAME: &'static str = "chosen";
    type Payload = String;

    async fn run(&self, context: &Context, payload: String) -> Ended {
        context.reply(Reply::plain(format!("chose {payload}")));
        Ok(Outcome::Done)
    }
}
