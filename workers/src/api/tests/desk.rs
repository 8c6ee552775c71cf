//! An API over a queue of its own, and the few things that happen to a queue: accepting and handling.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use sallyport_postgres::testing::TestDatabase;
use sallyport_postgres::{DatabaseUrl, Pools, ProcessRole};
use sallyport_queue::membership::{self, Membership};
use sallyport_queue::ownership::WorkerId;
use sallyport_queue::{
    ClaimRequest, HoldChange, Intake, Key, NewMessage, PartitionClaim, PayloadFormat, Priority,
    Queue, Receipt, Settled, Settlement, Verdict,
};
use sallyport_recorder::Recorder;
use sallyport_telemetry::trace::{SpanContext, SpanRecord, SpanSink};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::contract::Contract;
use crate::api::{Settings, Sources, router};

pub(super) const BEARER: &str = "Bearer desk-ops-token";
/// More than any answer of these tests has.
const ANSWER_BYTES_MAX: usize = 1 << 20;

pub(super) struct Desk {
    router: Router,
    contract: Contract,
    queue: Option<(Queue, Intake)>,
    _database: Option<TestDatabase>,
    _stop: tokio_util::sync::DropGuard,
}

/// What came back; the body is null where it is no JSON.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: serde_json::Value,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Desk {
    pub(super) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub(super) async fn open_with(change: impl FnOnce(&mut Settings)) -> Self {
        let database = TestDatabase::create().await;
        let pools = database.pools();
        let queue = Queue::open(pools.clone(), sallyport_queue::Settings::default())
            .await
            .unwrap();
        let intake = queue.intake();
        let mut desk = Self::over(&pools, &queue, change);
        desk.queue = Some((queue, intake));
        desk._database = Some(database);
        desk
    }

    /// A desk whose database nobody answers for.
    pub(super) async fn without_database() -> Self {
        let url = DatabaseUrl::new("postgresql://nobody@127.0.0.1:1/nothing");
        let pools = Pools::open(&sallyport_postgres::Settings::at(url), ProcessRole::Both).unwrap();
        let queue = Queue::open_edge(pools.clone(), sallyport_queue::Settings::default())
            .await
            .unwrap();
        Self::over(&pools, &queue, |settings| settings.request_ms = 2_000)
    }

    fn over(pools: &Pools, queue: &Queue, change: impl FnOnce(&mut Settings)) -> Self {
        let stop = CancellationToken::new();
        let recorder = Recorder::start(
            pools,
            &sallyport_recorder::Settings::default(),
            &TaskTracker::new(),
            &stop,
        );
        let mut settings = Settings {
            ops_token: "desk-ops-token".into(),
            ..Settings::default()
        };
        change(&mut settings);
        let sources = Sources::of(queue, recorder);
        Self {
            router: router(&settings, sources),
            contract: Contract::read(),
            queue: None,
            _database: None,
            _stop: stop.drop_guard(),
        }
    }

    pub(super) async fn get(&self, path: &str) -> serde_json::Value {
        let answer = self.ask("GET", path, Some(BEARER), "").await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        answer.body
    }

    pub(super) async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, Some(BEARER), body).await
    }

    pub(super) async fn typed(&self, path: &str, content_type: &str, body: &str) -> Answer {
        let request = Request::post(path)
            .header("authorization", BEARER)
            .header("content-type", content_type);
        self.send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    pub(super) async fn traced(&self, path: &str, traceparent: &str) -> Answer {
        let request = Request::get(path)
            .header("authorization", BEARER)
            .header("traceparent", traceparent);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        authorization: Option<&str>,
        body: &str,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let answer = self
            .send(request.body(Body::from(body.to_owned())).unwrap())
            .await;
        self.agrees(method, path, body, &answer);
        answer
    }

    /// The document takes what was answered well, and knows every answer. So it is never stricter than a handler, in any test.
    fn agrees(&self, method: &str, target: &str, body: &str, answer: &Answer) {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let Some(operation) = self.contract.find(method, path) else {
            assert!(answer.status.is_client_error(), "{method} {path}");
            return;
        };
        assert!(
            !answer.status.is_success() || operation.takes(path, query, body),
            "{method} {target} {body} is answered, and the document refuses it"
        );
        let media_type = answer.header("content-type").unwrap_or_default();
        let objections = operation.objections(answer.status.as_u16(), media_type, &answer.body);
        assert!(
            objections.is_empty(),
            "{method} {target}: {objections:#?} in {}",
            answer.body
        );
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an answer of our own, read with a limit"
    )]
    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, ANSWER_BYTES_MAX).await.unwrap();
        Answer {
            status: head.status,
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    /// Puts an update on the queue.
    pub(super) async fn accept(&self, delivery_id: &str) -> Receipt {
        self.accept_under(delivery_id, SpanContext::new_root(true))
            .await
    }

    /// The same, under a span of the edge.
    pub(super) async fn accept_under(&self, delivery_id: &str, trace: SpanContext) -> Receipt {
        let (_, intake) = self.queue.as_ref().unwrap();
        let message = NewMessage {
            bot: "ops".to_owned(),
            tenant: "house".to_owned(),
            source: "telegram:ops".to_owned(),
            delivery_id: Some(delivery_id.to_owned()),
            kind: "telegram.update".to_owned(),
            kind_version: 1,
            key: Key::new("in:telegram:ops:7"),
            priority: Priority::Interactive,
            payload: Bytes::from_static(b"{}"),
            payload_format: PayloadFormat::Json,
            subject: Some("telegram:7".to_owned()),
            cause: None,
            trace,
            edge_spans: None,
            delay: None,
            expires_in: None,
            unique: None,
        };
        intake.accept(message).await.unwrap().stored().unwrap()
    }

    /// Records spans, durably when it returns: a recorder that is stopped writes what it has.
    pub(super) async fn record(&self, spans: Vec<SpanRecord>) {
        let (queue, _) = self.queue.as_ref().unwrap();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let settings = sallyport_recorder::Settings::default();
        let recorder = Recorder::start(queue.pools(), &settings, &tasks, &stop);
        recorder.keep(spans);
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    }

    /// Works on the oldest message, as a worker that comes for it and leaves again.
    pub(super) async fn handle(&self, verdict: Verdict) {
        let (queue, _) = self.queue.as_ref().unwrap();
        let settings = membership::Settings { lease_ms: 1_000 };
        let me = WorkerId::unique("desk", std::process::id());
        let membership = Membership::join(queue.pools(), &settings, me.clone())
            .await
            .unwrap();
        let holdings = tokio::time::timeout(
            Duration::from_secs(20),
            membership
                .changes()
                .wait_for(|holdings| holdings.len() == 256),
        )
        .await
        .unwrap()
        .unwrap()
        .clone();
        let partitions: Vec<PartitionClaim> = holdings
            .iter()
            .map(|(partition, holding)| PartitionClaim {
                partition: *partition,
                token: holding.token,
                messages_max: 1,
                priority: Priority::Interactive,
                lanes: sallyport_queue::Lanes::InTurn,
                sweep: true,
            })
            .collect();
        let store = queue.store(&me);
        let request = ClaimRequest {
            partitions: &partitions,
            ..ClaimRequest::default()
        };
        let message = store.claim(&request).await.unwrap().messages.remove(0);
        let settlement = Settlement {
            message: message.reference(),
            attempt: message.attempts + 1,
            started_at: jiff::Timestamp::now(),
            verdict,
            hold: HoldChange::Keep,
            outgoing: Vec::new(),
        };
        assert_eq!(
            store.settle(&[settlement]).await.unwrap(),
            [Settled::Durable]
        );
        membership.stop().await;
    }
}
