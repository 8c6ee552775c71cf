//! The recorder on a real Postgres.

use std::time::Duration;

use jiff::civil::date;
use jiff::{Timestamp, ToSpan as _};
use sallyport_postgres::testing::TestDatabase;
use sallyport_postgres::{Pools, ProcessRole};
use sallyport_telemetry::trace::{SpanKind, SpanRecord, SpanSink as _, TraceId, Trail};
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::days::Janitor;
use crate::events::Meters;
use crate::row::day;
use crate::{Outcome, Recorder, Settings, TraceFilter};

struct House {
    database: TestDatabase,
    recorder: Recorder,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl House {
    async fn new() -> Self {
        let database = TestDatabase::create().await;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let recorder = Recorder::start(&database.pools(), &Settings::default(), &tasks, &stop);
        Self {
            database,
            recorder,
            tasks,
            stop,
        }
    }

    /// Waits, within a bound, until so many spans of a trace can be read.
    async fn wait_for(&self, trace: TraceId, how_many: usize) -> Vec<SpanRecord> {
        let look = async {
            let mut again = interval(Duration::from_millis(20));
            loop {
                again.tick().await;
                let spans = self.recorder.spans(trace).await.unwrap();
                if spans.len() >= how_many {
                    return spans;
                }
            }
        };
        timeout(Duration::from_secs(10), look)
            .await
            .expect("the spans should have been written by now")
    }

    /// Keeps a trace of two spans and waits until it can be read.
    async fn keep(&self, spans: Vec<SpanRecord>) -> TraceId {
        let trace = trace_of(&spans);
        self.recorder.keep(spans);
        self.wait_for(trace, 2).await;
        trace
    }

    /// The traces that a filter finds.
    async fn find(&self, ask: impl FnOnce(&mut TraceFilter)) -> Vec<TraceId> {
        let mut filter = TraceFilter::default();
        ask(&mut filter);
        let found = self.recorder.find(&filter).await.unwrap();
        found.into_iter().map(|trace| trace.trace_id).collect()
    }

    async fn stop(self) -> TestDatabase {
        self.stop.cancel();
        self.tasks.close();
        timeout(Duration::from_secs(10), self.tasks.wait())
            .await
            .expect("the recorder should have stopped by now");
        self.database
    }

    fn janitor(&self, retention_days: u16) -> Janitor {
        Janitor::new(
            self.database.pools(),
            retention_days,
            self.tasks.clone(),
            Meters::new(),
        )
    }
}

/// The spans of an update that came in and was worked on.
fn update(route: &str, status: i64, failed: bool) -> Vec<SpanRecord> {
    let trail = Trail::root();
    let mut request = trail.start(format!("POST {route}"), SpanKind::Server);
    request
        .set("http.route", route.to_owned())
        .set("http.response.status_code", status);
    let mut process = request.child("process telegram.update", SpanKind::Consumer);
    process
        .set("messaging.destination.name", "telegram.update")
        .set("said", "NUL \0 and more");
    if failed {
        process.fail("timeout", "no first token in 10 s");
    }
    process.end();
    request.end();
    trail.finish()
}

fn trace_of(spans: &[SpanRecord]) -> TraceId {
    spans[0].trace_id
}

#[tokio::test]
async fn a_trace_comes_back_as_it_was_kept() {
    let house = House::new().await;
    let mut spans = update("/telegram/{bot}", 200, true);
    spans[0].name = "with \0".into();

    house.recorder.keep(spans.clone());
    let mut read = house.wait_for(trace_of(&spans), 2).await;

    read.sort_by_key(|span| spans.iter().position(|other| other.span_id == span.span_id));
    assert_eq!(read, spans);
    house.stop().await;
}

#[tokio::test]
async fn a_span_that_was_kept_twice_is_told_once() {
    let house = House::new().await;
    let spans = update("/telegram/{bot}", 200, false);
    let last = update("/last", 200, false);

    house.recorder.keep(spans.clone());
    house.recorder.keep(spans.clone());
    house.recorder.keep(last.clone());
    house.wait_for(trace_of(&last), 2).await;

    assert_eq!(
        house.recorder.spans(trace_of(&spans)).await.unwrap().len(),
        2
    );
    let found = house
        .recorder
        .find(&TraceFilter {
            limit: 2,
            ..TraceFilter::default()
        })
        .await
        .unwrap();
    assert!(found.iter().all(|trace| trace.spans == 2), "{found:?}");
    house.stop().await;
}

#[tokio::test]
async fn traces_are_found_by_what_an_engineer_asks_for() {
    let house = House::new().await;
    let good = house.keep(update("/a", 200, false)).await;
    let bad = house.keep(update("/b", 200, true)).await;
    let refused = house.keep(update("/c", 401, false)).await;

    assert_eq!(house.find(|_| {}).await, [refused, bad, good]);
    assert_eq!(house.find(|filter| filter.limit = 1).await, [refused]);
    for (route, found) in [("/a", vec![good]), ("/other", vec![])] {
        assert_eq!(house.find(|f| f.route = Some(route.into())).await, found);
    }
    for (kind, found) in [
        ("telegram.update", vec![refused, bad, good]),
        ("other", vec![]),
    ] {
        assert_eq!(house.find(|f| f.kind = Some(kind.into())).await, found);
    }
    for (outcome, found) in [
        (Outcome::Ok, good),
        (Outcome::Error, bad),
        (Outcome::Refused, refused),
    ] {
        assert_eq!(house.find(|f| f.outcome = Some(outcome)).await, [found]);
    }
    house.stop().await;
}

#[tokio::test]
async fn a_trace_is_found_by_what_different_spans_of_it_tell() {
    let house = House::new().await;
    let good = house.keep(update("/a", 200, false)).await;
    let bad = house.keep(update("/a", 200, true)).await;
    let (route, kind) = (Some("/a".to_owned()), Some("telegram.update".to_owned()));

    let ask = |outcome| {
        let (route, kind) = (route.clone(), kind.clone());
        move |f: &mut TraceFilter| (f.route, f.kind, f.outcome) = (route, kind, outcome)
    };

    assert_eq!(house.find(ask(None)).await, [bad, good]);
    assert_eq!(house.find(ask(Some(Outcome::Error))).await, [bad]);
    assert_eq!(house.find(ask(Some(Outcome::Refused))).await, []);
    house.stop().await;
}

#[tokio::test]
async fn traces_are_found_by_how_long_they_took_and_when() {
    let house = House::new().await;
    let trace = house.keep(update("/a", 200, false)).await;
    let minute = Duration::from_secs(60);
    let now = Timestamp::now();

    assert_eq!(house.find(|f| f.over = Some(Duration::ZERO)).await, [trace]);
    assert_eq!(house.find(|f| f.over = Some(minute)).await, []);
    assert_eq!(house.find(|f| f.since = Some(now - minute)).await, [trace]);
    assert_eq!(house.find(|f| f.since = Some(now + minute)).await, []);
    house.stop().await;
}

#[tokio::test]
async fn a_summary_says_where_it_came_in_and_how_it_ended() {
    let house = House::new().await;
    let spans = update("/telegram/{bot}", 200, true);
    house.recorder.keep(spans.clone());
    house.wait_for(trace_of(&spans), 2).await;

    let found = house.recorder.find(&TraceFilter::default()).await.unwrap();

    assert_eq!(found[0].name, "POST /telegram/{bot}");
    assert_eq!(found[0].route.as_deref(), Some("/telegram/{bot}"));
    assert_eq!(found[0].kind.as_deref(), Some("telegram.update"));
    assert_eq!((found[0].outcome, found[0].spans), (Outcome::Error, 2));
    assert!((0.0..1000.0).contains(&found[0].duration_ms));
    house.stop().await;
}

#[tokio::test]
async fn a_support_code_leads_to_its_trace() {
    let house = House::new().await;
    let (spans, other) = (update("/a", 200, false), update("/b", 200, false));
    house.recorder.keep(spans.clone());
    house.recorder.keep(other.clone());
    house.wait_for(trace_of(&other), 2).await;

    let bounds = trace_of(&spans).support_code().bounds();

    assert_eq!(
        house.recorder.traces_between(bounds, 10).await.unwrap(),
        [trace_of(&spans)]
    );
    house.stop().await;
}

#[tokio::test]
async fn what_is_queued_when_the_process_stops_is_written() {
    let house = House::new().await;
    let spans = update("/a", 200, false);
    house.recorder.keep(spans.clone());
    let recorder = house.recorder.clone();

    let _database = house.stop().await;
    let read = recorder.spans(trace_of(&spans)).await.unwrap();
    recorder.keep(spans);

    assert_eq!(read.len(), 2);
}

#[tokio::test]
async fn an_edge_records_without_being_able_to_read() {
    let database = TestDatabase::create().await;
    let pools = Pools::open(&database.settings(), ProcessRole::Edge).unwrap();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let edge = Recorder::start(&pools, &Settings::default(), &tasks, &stop);

    edge.keep(update("/a", 401, false));
    stop.cancel();
    tasks.close();
    tasks.wait().await;

    assert!(edge.spans(TraceId::random()).await.is_err());
    let count: i64 = database
        .owner()
        .await
        .query_one("SELECT count(*) FROM spans", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(count, 2);
}

#[tokio::test]
async fn days_are_made_ahead_and_dropped_when_they_are_old() {
    let house = House::new().await;
    let today = day(Timestamp::now());
    let janitor = house.janitor(3);
    let first = wait_for_turn(&janitor, today.saturating_add(20.days())).await;
    assert!(first.0 > 0);

    let (made, dropped) = wait_for_turn(&janitor, today.saturating_add(22.days())).await;

    assert_eq!(
        (made, dropped),
        (2, 0),
        "two new days ahead, and all that exist are kept"
    );
    let (made, dropped) = wait_for_turn(&janitor, today.saturating_add(24.days())).await;
    assert_eq!(
        (made, dropped),
        (2, 2),
        "the 20th and the 21st are older than three days"
    );
    house.stop().await;
}

/// Turns the days as soon as the recorder's own janitor has let go of the lock.
async fn wait_for_turn(janitor: &Janitor, today: jiff::civil::Date) -> (usize, usize) {
    let mut again = interval(Duration::from_millis(20));
    let turn = async {
        loop {
            again.tick().await;
            let turned = janitor.turn(today).await.unwrap();
            if turned.made + turned.dropped > 0 {
                return (turned.made, turned.dropped);
            }
        }
    };
    timeout(Duration::from_secs(10), turn)
        .await
        .expect("the janitor's lock should be free by now")
}

#[tokio::test]
async fn spans_of_a_day_that_was_not_made_are_moved_when_it_is() {
    let house = House::new().await;
    let mut spans = update("/a", 200, false);
    let far = date(2031, 5, 1);
    for span in &mut spans {
        span.start = far
            .at(12, 0, 0, 0)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .unwrap()
            .timestamp();
    }
    house.recorder.keep(spans.clone());
    house.wait_for(trace_of(&spans), 2).await;

    wait_for_turn(&house.janitor(365), far).await;

    let owner = house.database.owner().await;
    let there: i64 = owner
        .query_one("SELECT count(*) FROM spans_20310501", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(there, 2);
    assert_eq!(
        house.recorder.spans(trace_of(&spans)).await.unwrap().len(),
        2
    );
    house.stop().await;
}

#[tokio::test]
async fn a_queue_that_is_full_drops_and_counts() {
    let database = TestDatabase::create().await;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    // The writer's task is never polled before the test is done with keeping: nothing here awaits.
    let settings = Settings {
        queue_spans_max: 32,
        ..Settings::default()
    };
    let recorder = Recorder::start(&database.pools(), &settings, &tasks, &stop);

    for _ in 0..20 {
        recorder.keep(update("/a", 200, false));
    }

    let text = sallyport_telemetry::metrics::install().render();
    assert!(
        text.contains(
            "sallyport_telemetry_dropped_total{signal=\"recorder\",reason=\"queue_full\"} 8"
        ),
        "{text}"
    );
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

#[tokio::test]
async fn without_postgres_spans_are_counted_as_lost_and_the_stop_is_prompt() {
    let nowhere = sallyport_postgres::DatabaseUrl::new("host=/nonexistent user=nobody dbname=none");
    let pools = Pools::open(
        &sallyport_postgres::Settings::at(nowhere),
        ProcessRole::Edge,
    )
    .unwrap();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let recorder = Recorder::start(&pools, &Settings::default(), &tasks, &stop);

    recorder.keep(update("/a", 200, false));
    stop.cancel();
    tasks.close();
    timeout(Duration::from_secs(7), tasks.wait())
        .await
        .expect("the recorder should have stopped by now");

    let text = sallyport_telemetry::metrics::install().render();
    let lost = text
        .lines()
        .find(|line| line.contains("{signal=\"recorder\",reason=\"write_failed\"}"))
        .unwrap();
    assert!(!lost.ends_with(" 0"), "{lost}");
}

#[tokio::test]
async fn a_lookup_by_trace_is_an_index_scan() {
    let house = House::new().await;
    let owner = house.database.owner().await;
    let plan = "EXPLAIN SELECT record FROM spans WHERE trace_id = '\\x00'::bytea";
    owner
        .batch_execute("SET enable_seqscan = off")
        .await
        .unwrap();

    let rows = owner.query(plan, &[]).await.unwrap();

    let plan: String = rows
        .iter()
        .map(|row| row.get::<_, String>(0) + "\n")
        .collect();
    assert!(!plan.contains("Seq Scan"), "{plan}");
    house.stop().await;
}
