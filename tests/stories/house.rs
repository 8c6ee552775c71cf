//! A whole house for one story: its own database, its own ports, a playground that outlives the server, and the server as a process
//! that can be killed. The little language of the stories is the methods of [`House`].

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

#[path = "../house/keep_alive.rs"]
pub(crate) mod keep_alive;
#[path = "../house/outfit.rs"]
mod outfit;
#[expect(dead_code, reason = "the fault rows do more to it than a story does")]
#[path = "../faults/redis_server.rs"]
pub(crate) mod redis_server;

pub(crate) use outfit::free_port;
use outfit::{Doors, Outfit, WEBHOOK_SECRET, signal, tick};

/// No pacing on either side: what a Bot API server of one's own allows.
pub(crate) const OWN_SERVER: [(&str, &str); 2] = outfit::OWN_SERVER;

/// The token that opens `/ops/…`, unless a story sets another.
const OPS_TOKEN: &str = "story-ops-token";

/// How long a story waits for something that should happen at once; generous, because two cores are shared with a compiler at times.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running server with everything around it; all of it ends when this is dropped.
pub(crate) struct House {
    pub(crate) doors: Doors,
    pub(crate) database_url: String,
    pub(crate) client: reqwest::Client,
    pub(crate) secret: String,
    pub(crate) ops_token: String,
    outfit: Outfit,
    playground: Option<Child>,
    server: Option<Child>,
    workers: Vec<Child>,
}

impl House {
    /// A house on shipped defaults with the stand-in model, pacing as Telegram's cloud has it.
    pub(crate) async fn open() -> Self {
        Self::open_with(&[]).await
    }

    /// The same with variables of its own, such as `TELEGRAM_OPS_PACING=own_server`.
    pub(crate) async fn open_with(variables: &[(&str, &str)]) -> Self {
        let mut house = Self::build(variables).await;
        house.start_playground().await;
        house.start_server().await;
        house
    }

    /// Everything but the processes.
    pub(crate) async fn build(variables: &[(&str, &str)]) -> Self {
        Self::build_on(&test_server(), variables).await
    }

    /// The same on a server of the story's own.
    pub(crate) async fn build_on(server: &str, variables: &[(&str, &str)]) -> Self {
        let database_url = outfit::create_database(server).await;
        let mut settings = vec![("OPS_TOKEN", OPS_TOKEN)];
        settings.extend_from_slice(variables);
        let outfit = Outfit::new(&database_url, &settings);
        Self {
            doors: outfit.doors.clone(),
            database_url,
            client: reqwest::Client::new(),
            secret: WEBHOOK_SECRET.to_owned(),
            ops_token: OPS_TOKEN.to_owned(),
            outfit,
            playground: None,
            server: None,
            workers: Vec::new(),
        }
    }

    pub(crate) async fn start_playground(&mut self) {
        self.playground = Some(self.spawn(&["playground"], "playground"));
        let door = format!("http://127.0.0.1:{}/_/faults", self.doors.playground);
        self.wait_until("the playground answers", || async {
            self.answers(&door).await
        })
        .await;
    }

    /// Starts the server and waits until it says that it is ready.
    pub(crate) async fn start_server(&mut self) {
        self.serve(&["run", "--no-playground"]).await;
    }

    /// Starts the edge alone.
    pub(crate) async fn start_gateway(&mut self) {
        self.serve(&["gateway"]).await;
    }

    async fn serve(&mut self, role: &[&str]) {
        self.server = Some(self.spawn(role, "server"));
        let door = format!("http://127.0.0.1:{}/health/ready", self.doors.admin);
        self.wait_until("the server is ready", || async {
            self.answers(&door).await
        })
        .await;
    }

    /// Starts the edge and so many worker processes, each with doors of its own.
    pub(crate) async fn start_fleet(&mut self, workers: usize) {
        assert!(self.run(&["migrate"]).status.success());
        for number in 0..workers {
            let (api, admin) = (free_port(), free_port());
            let mut command = self.command(&["workers"]);
            command
                .env("SALLYPORT_API_LISTEN", format!("127.0.0.1:{api}"))
                .env("SALLYPORT_ADMIN_LISTEN", format!("127.0.0.1:{admin}"));
            self.workers
                .push(self.outfit.start(command, &format!("worker-{number}")));
            let door = format!("http://127.0.0.1:{admin}/health/ready");
            self.wait_until("the worker is ready", || async {
                self.answers(&door).await
            })
            .await;
        }
        self.start_gateway().await;
    }

    /// Starts a pool of workers and the edge in front of it, each kept running by a supervisor.
    pub(crate) async fn start_supervised(&mut self) {
        assert!(self.run(&["migrate"]).status.success());
        let admin = free_port();
        let mut command = self.command(&["supervise", "workers"]);
        command.env("SALLYPORT_ADMIN_LISTEN", format!("127.0.0.1:{admin}"));
        self.workers.push(self.outfit.start(command, "worker-0"));
        let door = format!("http://127.0.0.1:{admin}/health/ready");
        self.wait_until("the worker is ready", || async {
            self.answers(&door).await
        })
        .await;
        self.serve(&["supervise", "gateway"]).await;
    }

    /// Sends a signal to one of the fleet's workers.
    pub(crate) fn signal_worker(&self, number: usize, name: &str) {
        signal(&self.workers[number], name);
    }

    /// `kill -9` of the server: nothing is flushed, nothing is told.
    pub(crate) fn kill_server(&mut self) {
        let mut server = self.server.take().expect("a server runs");
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// SIGTERM, then the exit status; panics when the server takes longer than `deadline`.
    pub(crate) async fn stop_server(&mut self, deadline: Duration) -> ExitStatus {
        let mut server = self.server.take().expect("a server runs");
        self.stop(&mut server, deadline).await
    }

    /// The same for every worker of the fleet, all at once.
    pub(crate) async fn stop_workers(&mut self, deadline: Duration) -> Vec<ExitStatus> {
        let mut workers = std::mem::take(&mut self.workers);
        let stops = workers.iter_mut().map(|worker| self.stop(worker, deadline));
        futures::future::join_all(stops).await
    }

    async fn stop(&self, process: &mut Child, deadline: Duration) -> ExitStatus {
        signal(process, "TERM");
        let started = Instant::now();
        loop {
            if let Some(status) = process.try_wait().unwrap() {
                return status;
            }
            assert!(
                started.elapsed() < deadline,
                "a stop took too long\n{}",
                self.log("server")
            );
            tick().await;
        }
    }

    /// Sends a signal, such as `STOP` or `CONT`, to the server.
    pub(crate) fn signal_server(&self, name: &str) {
        signal(self.server(), name);
    }

    /// The server's process.
    pub(crate) fn server(&self) -> &Child {
        self.server.as_ref().expect("a server runs")
    }

    /// A person writes in the chat whose id is theirs (a private chat).
    pub(crate) async fn say(&self, person: i64, text: &str) -> Value {
        self.control(
            "telegram/say",
            &json!({"chat_id": person, "user_id": person, "text": text}),
        )
        .await
    }

    /// A `POST` to the playground's control door; panics unless it is a success.
    pub(crate) async fn control(&self, path: &str, body: &Value) -> Value {
        let url = format!("http://127.0.0.1:{}/_/{path}", self.doors.playground);
        let answer = self.client.post(url).json(body).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path} with {body}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// The bot's messages that the chat now shows, oldest first.
    pub(crate) async fn sent(&self, chat: i64) -> Vec<Value> {
        let url = format!(
            "http://127.0.0.1:{}/_/telegram/sent?chat_id={chat}",
            self.doors.playground
        );
        let answer = self.client.get(url).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// Waits until the chat shows a message that satisfies `is_it`, and returns it.
    pub(crate) async fn wait_for_message(&self, chat: i64, is_it: impl Fn(&str) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let sent = self.sent(chat).await;
            let found = sent
                .iter()
                .find(|message| message["text"].as_str().is_some_and(&is_it));
            if let Some(message) = found {
                return message.clone();
            }
            assert!(
                started.elapsed() < PATIENCE,
                "no such message in {sent:#?}\n{}",
                self.log("server")
            );
            tick().await;
        }
    }

    /// Posts an update straight to the edge, as Telegram would, with the right secret.
    pub(crate) async fn post_update(&self, update: &Value) -> reqwest::Response {
        self.client
            .post(format!("http://127.0.0.1:{}/telegram/ops", self.doors.http))
            .header("X-Telegram-Bot-Api-Secret-Token", &self.secret)
            .json(update)
            .send()
            .await
            .unwrap()
    }

    /// `GET` through the edge with the operator's token.
    pub(crate) async fn ops(&self, path_and_query: &str) -> Value {
        let url = format!("http://127.0.0.1:{}{path_and_query}", self.doors.http);
        let answer = self
            .client
            .get(url)
            .bearer_auth(&self.ops_token)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path_and_query}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The text of `/metrics`.
    pub(crate) async fn metrics(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.doors.admin);
        self.client
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    }

    /// Waits until no message waits or runs any more.
    pub(crate) async fn wait_until_idle(&self) {
        self.wait_until("the queue is empty", || async {
            let queue = self.database().await;
            let waiting: i64 = queue
                .query_one("select count(*) from queue", &[])
                .await
                .unwrap()
                .get(0);
            waiting == 0
        })
        .await;
    }

    /// A connection to the house's database, for stories that look at what is on disk.
    pub(crate) async fn database(&self) -> tokio_postgres::Client {
        outfit::connect(&self.database_url).await
    }

    /// The one bounded wait of the stories: looks every few milliseconds, gives up after [`PATIENCE`].
    pub(crate) async fn wait_until<F: Future<Output = bool>>(
        &self,
        what: &str,
        mut holds: impl FnMut() -> F,
    ) {
        let started = Instant::now();
        while !holds().await {
            assert!(
                started.elapsed() < PATIENCE,
                "waited too long until {what}\n{}",
                self.log("server")
            );
            tick().await;
        }
    }

    /// The end of a process's output.
    pub(crate) fn log(&self, name: &str) -> String {
        let text = self.whole_log(name);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Everything a process has printed.
    pub(crate) fn whole_log(&self, name: &str) -> String {
        self.outfit.whole_log(name)
    }

    /// The folder that the server keeps its secrets and certificates in.
    pub(crate) fn data(&self) -> PathBuf {
        self.outfit.home.path().to_owned()
    }

    /// Runs a subcommand to its end, with this house's settings.
    pub(crate) fn run(&self, arguments: &[&str]) -> std::process::Output {
        self.command(arguments).output().unwrap()
    }

    /// The same, to be started and ended by the story.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.outfit.command(arguments)
    }

    fn spawn(&self, arguments: &[&str], name: &str) -> Child {
        self.outfit.start(self.command(arguments), name)
    }

    async fn answers(&self, url: &str) -> bool {
        self.client
            .get(url)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let others = [&mut self.server, &mut self.playground]
            .into_iter()
            .flatten();
        for process in self.workers.iter_mut().chain(others) {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

/// The server that tests may use.
fn test_server() -> String {
    std::env::var("SALLYPORT_TEST_DATABASE_URL")
        .expect("SALLYPORT_TEST_DATABASE_URL names a Postgres for tests; `make test` starts one and sets it")
}
