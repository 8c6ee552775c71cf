//! Stories of webhooks that are sent: from what an app posts to what a receiver was sent.

use std::collections::VecDeque;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use sallyport_kit::{Command, Context, Ended, Outcome, Reply};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::house::{House, wait_until};

/// The app's name for it.
const WEBHOOK: &str = "probe";
const SECRET: &str = "the-secret-of-the-stories-0123456789";

/// Points the chat's webhook somewhere, and shows its key.
pub(super) struct Point;
impl Command for Point {
    const NAME: &'static str = "point";
    type Arguments = String;

    async fn run(&self, context: &Context, url: String) -> Ended {
        let pointed = context.point_webhook(WEBHOOK, &url);
        let words = match pointed {
            Ok(new) => new.key,
            Err(problem) => format!("{problem:?}"),
        };
        context.reply(Reply::plain(words));
        Ok(Outcome::Done)
    }
}

/// Tells it something.
pub(super) struct Post;
impl Command for Post {
    const NAME: &'static str = "post";
    type Arguments = String;

    async fn run(&self, context: &Context, words: String) -> Ended {
        context.post(WEBHOOK, "probe.said", &json!({"words": words}))?;
        Ok(Outcome::Done)
    }
}

/// Says how it stands.
pub(super) struct Seen;
impl Command for Seen {
    const NAME: &'static str = "seen";
    type Arguments = ();

    async fn run(&self, context: &Context, (): ()) -> Ended {
        let seen = context.webhook(WEBHOOK).await?;
        context.reply(Reply::plain(format!("{seen:?}")));
        Ok(Outcome::Done)
    }
}

/// Forgets it.
pub(super) struct Forget;
impl Command for Forget {
    const NAME: &'static str = "forget";
    type Arguments = ();

    async fn run(&self, context: &Context, (): ()) -> Ended {
        context.forget_webhook(WEBHOOK);
        Ok(Outcome::Done)
    }
}

/// What a receiver was sent.
#[derive(Debug, Clone)]
struct Taken {
    head: HeaderMap,
    body: String,
}

impl Taken {
    fn field(&self, name: &str) -> String {
        let value = self.head.get(name).expect("a field of the standard");
        value.to_str().expect("text").to_owned()
    }

    fn words(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).expect("JSON");
        body["data"]["words"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

#[derive(Default)]
struct World {
    taken: Mutex<Vec<Taken>>,
    /// What the next deliveries are answered with; then 204.
    answers: Mutex<VecDeque<u16>>,
}

/// A receiver of webhooks; it ends with the value.
struct Receiver {
    world: Arc<World>,
    address: SocketAddr,
    _server: JoinSet<()>,
}

impl Receiver {
    async fn open(answers: &[u16]) -> Self {
        let world = Arc::new(World::default());
        world.answers.lock().extend(answers);
        let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(take).with_state(Arc::clone(&world));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            world,
            address,
            _server: server,
        }
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    fn taken(&self) -> Vec<Taken> {
        self.world.taken.lock().clone()
    }

    fn words(&self) -> Vec<String> {
        self.taken().iter().map(Taken::words).collect()
    }
}

async fn take(State(world): State<Arc<World>>, head: HeaderMap, body: Bytes) -> StatusCode {
    let body = String::from_utf8(body.to_vec()).unwrap();
    world.taken.lock().push(Taken { head, body });
    let answer = world.answers.lock().pop_front().unwrap_or(204);
    StatusCode::from_u16(answer).unwrap()
}

/// A house that may call this receiver.
async fn house(receiver: &Receiver) -> House {
    let mut house = House::build().await;
    house.webhooks.secret = SECRET.into();
    house.webhooks.client = sallyport_webhook::Settings {
        allow_http: true,
        ports: vec![receiver.address.port()],
        networks: vec!["127.0.0.2/32".parse().unwrap()],
        ..Default::default()
    };
    house
}

/// Points the webhook of a chat at the receiver; the key that the person is shown.
async fn point(house: &House, chat: i64, receiver: &Receiver) -> String {
    house
        .say("ops", chat, &format!("/point {}", receiver.url()))
        .await;
    house
        .shows(chat, |shown| {
            shown.iter().any(|text| text.starts_with("whsec_"))
        })
        .await;
    house.telegram.shown(chat).pop().unwrap()
}

/// Lets the standard's own library judge what was sent.
fn judged(key: &str, taken: &[Taken]) -> (bool, String) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test is told by the environment where its Python is"
    )]
    let python = std::env::var("SALLYPORT_TEST_PYTHON")
        .expect("`make test` prepares python and sets SALLYPORT_TEST_PYTHON");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/peers/webhook_signatures.py"
    );
    let mut judge = Process::new(python)
        .args([script, "judge"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = judge.stdin.take().unwrap();
    for one in taken {
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let head: serde_json::Map<String, Value> = names
            .map(|name| (name.to_owned(), one.field(name).into()))
            .into_iter()
            .collect();
        let request = json!({"source": "standard_webhooks", "secret": key, "key": key, "head": head, "body": one.body});
        writeln!(input, "{request}").unwrap();
    }
    drop(input);
    let output = judge.wait_with_output().unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_posted_arrives_in_order_and_the_standards_own_library_believes_it() {
    let receiver = Receiver::open(&[]).await;
    let mut house = house(&receiver).await;
    house.webhooks.old_secret = "an-older-secret-of-the-stories-01234".into();
    let workers = house.workers().await;
    let key = point(&house, 7, &receiver).await;

    for turn in 0..5 {
        house.say("ops", 7, &format!("/post {turn} ключ 🎴")).await;
    }
    house.is_idle().await;

    let taken = receiver.taken();
    assert_eq!(
        receiver.words(),
        [
            "0 ключ 🎴",
            "1 ключ 🎴",
            "2 ключ 🎴",
            "3 ключ 🎴",
            "4 ключ 🎴"
        ]
    );
    let (is_believed, told) = judged(&key, &taken);
    assert!(is_believed, "{told}");
    let (is_believed, _) = judged("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &taken);
    assert!(!is_believed, "a judge that believes everything is none");
    assert!(
        taken
            .iter()
            .all(|one| one.field("webhook-signature").split(' ').count() == 2),
        "both secrets sign"
    );
    workers.drain(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_delivery_comes_again_under_its_id_and_before_the_next() {
    let receiver = Receiver::open(&[500, 503]).await;
    let house = house(&receiver).await;
    let workers = house.workers().await;
    point(&house, 7, &receiver).await;

    house.say("ops", 7, "/post first").await;
    wait_until("it was tried", async || !receiver.taken().is_empty()).await;
    house.say("ops", 7, "/post second").await;
    house.is_idle().await;

    assert_eq!(receiver.words(), ["first", "first", "first", "second"]);
    let mut ids: Vec<String> = receiver
        .taken()
        .iter()
        .map(|one| one.field("webhook-id"))
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert_eq!(
        house.count("ambiguous", "true").await,
        2,
        "a 5xx may have been taken"
    );
    workers.drain(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_gone_gets_nothing_more_until_somebody_points_there_again() {
    let receiver = Receiver::open(&[410]).await;
    let house = house(&receiver).await;
    let workers = house.workers().await;
    let first = point(&house, 7, &receiver).await;

    for words in ["gone", "waits"] {
        house.say("ops", 7, &format!("/post {words}")).await;
    }
    house.is_idle().await;
    house.say("ops", 7, "/seen").await;
    house
        .shows(7, |shown| shown.iter().any(|text| text.contains("Ended")))
        .await;
    let second = point(&house, 7, &receiver).await;
    house.say("ops", 7, "/post back").await;
    house.is_idle().await;

    assert_eq!(receiver.words(), ["gone", "back"]);
    assert_ne!(first, second, "each pointing has a key of its own");
    assert_eq!(house.count("endings", "outcome = 'cancelled'").await, 2);
    workers.drain(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_webhook_and_one_that_never_was_get_nothing() {
    let receiver = Receiver::open(&[]).await;
    let house = house(&receiver).await;
    let workers = house.workers().await;
    point(&house, 7, &receiver).await;

    house.say("ops", 7, "/forget").await;
    house.is_idle().await;
    house.say("ops", 7, "/post nobody").await;
    house.say("ops", 8, "/post nobody").await;
    house.is_idle().await;

    assert!(receiver.taken().is_empty());
    assert_eq!(house.count("dead_letters", "true").await, 0);
    workers.drain(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_inside_is_refused_at_once_and_one_that_was_let_in_is_refused_again() {
    let receiver = Receiver::open(&[]).await;
    let house = house(&receiver).await;
    let workers = house.workers().await;
    let inside = format!("http://127.0.0.1:{}/", receiver.address.port());

    house.say("ops", 7, &format!("/point {inside}")).await;
    house.shows(7, |shown| shown == ["Address"]).await;
    point(&house, 7, &receiver).await;
    house
        .owner
        .execute("update webhooks set url = $1", &[&inside])
        .await
        .unwrap();
    house.say("ops", 7, "/post in").await;
    house.is_idle().await;

    assert_eq!(
        house
            .count("dead_letters", "error_kind = 'invalid_url'")
            .await,
        1
    );
    assert!(receiver.taken().is_empty());
    workers.drain(Duration::from_secs(2)).await;
}
