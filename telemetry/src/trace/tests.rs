//! Ids and codes as people and headers write them, and trails as work leaves them behind.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;

fn by_name<'a>(spans: &'a [SpanRecord], name: &str) -> &'a SpanRecord {
    spans
        .iter()
        .find(|span| span.name == name)
        .unwrap_or_else(|| panic!("no span {name} in {spans:?}"))
}

#[test]
fn an_id_is_written_as_it_is_read() {
    let id: TraceId = "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap();

    assert_eq!(id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!("0".repeat(32).parse::<TraceId>(), Err(ParseIdError::Zero));
    assert_eq!("x".repeat(16).parse::<SpanId>(), Err(ParseIdError::Digit));
    assert_eq!("é".repeat(8).parse::<SpanId>(), Err(ParseIdError::Digit));
    assert!(matches!(
        "4bf9".parse::<SpanId>(),
        Err(ParseIdError::Length {
            expected: 16,
            got: 4
        })
    ));
}

#[test]
fn a_traceparent_of_a_later_version_is_read_as_far_as_it_is_known() {
    let plain = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-09-more";

    assert_eq!(SpanContext::parse(plain).unwrap().traceparent(), plain);
    assert_eq!(SpanContext::parse(later), SpanContext::parse(plain));
    for wrong in [
        "",
        "00",
        &format!("{plain}-x"),
        &plain.replacen("00", "ff", 1),
        &plain.replacen("00", "+0", 1),
    ] {
        assert!(SpanContext::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_support_code_forgives_what_people_do_to_it() {
    let code = "K7QF-3M2X".parse::<SupportCode>().unwrap();
    let zeros_and_ones: SupportCode = "0011-10ZZ".parse().unwrap();

    assert_eq!("k7qf3m2x".parse(), Ok(code));
    assert_eq!(" K7QF 3M2X ".parse(), Ok(code));
    assert_eq!("oOiL-l0zZ".parse(), Ok(zeros_and_ones));
    for wrong in ["", "K7QF-3M2", "K7QF-3M2XX", "K7QF-3M2U", "K7QF-3M2é"] {
        assert_eq!(wrong.parse::<SupportCode>(), Err(ParseCodeError), "{wrong}");
    }
}

proptest! {
    #[test]
    fn a_code_finds_its_trace_again(bytes: [u8; 16]) {
        let id = TraceId::from_bytes(bytes);
        let code = id.support_code();
        let (first, last) = code.bounds();

        prop_assert_eq!(code.to_string().parse(), Ok(code));
        prop_assert!(first <= id && id <= last);
        prop_assert_eq!((first.support_code(), last.support_code()), (code, code));
    }

    #[test]
    fn a_context_survives_header_and_row(trace in any::<[u8; 16]>(), span in any::<[u8; 8]>(), sampled: bool) {
        prop_assume!(trace != [0; 16] && span != [0; 8]);
        let context = SpanContext { trace_id: TraceId::from_bytes(trace), span_id: SpanId::from_bytes(span), sampled };

        prop_assert_eq!(SpanContext::parse(&context.traceparent()), Ok(context));
        prop_assert_eq!(SpanContext::from_bytes(&context.to_bytes()), Ok(context));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text: String) {
        let _any = (SpanContext::parse(&text).is_ok(), text.parse::<SupportCode>().is_ok(), text.parse::<TraceId>().is_ok());
    }
}

#[tokio::test]
async fn a_new_trace_has_one_root_and_everything_hangs_below_it() {
    let trail = Trail::root();
    let root = trail.context();

    trail
        .scope(async {
            let mut request = start("POST /telegram/{bot}", SpanKind::Server);
            request
                .within(async { start("send telegram.update", SpanKind::Producer).end() })
                .await;
            request.end();
            start("afterwards", SpanKind::Internal).end();
        })
        .await;
    let spans = trail.finish();

    let request = by_name(&spans, "POST /telegram/{bot}");
    assert_eq!((request.parent, request.span_id), (None, root.span_id));
    assert_eq!(
        by_name(&spans, "send telegram.update").parent,
        Some(root.span_id)
    );
    assert_eq!(by_name(&spans, "afterwards").parent, Some(root.span_id));
}

#[tokio::test]
async fn a_continued_trace_hangs_below_its_parent() {
    let parent = SpanContext::new_root(true);
    let trail = Trail::continuing(parent);

    let seen = trail
        .scope(start("process telegram.update", SpanKind::Consumer).run(async { current() }))
        .await;
    let inside = trail
        .scope(async {
            start("process telegram.update", SpanKind::Consumer)
                .run(async { current() })
                .await
        })
        .await;
    let spans = trail.finish();

    assert_eq!(
        seen,
        Some(parent),
        "a span made outside of the trail does nothing"
    );
    assert_eq!(spans.len(), 1);
    assert_eq!(
        (spans[0].trace_id, spans[0].parent),
        (parent.trace_id, Some(parent.span_id))
    );
    assert_eq!(
        inside.map(|context| (context.span_id, context.sampled)),
        Some((spans[0].span_id, true))
    );
}

#[tokio::test]
async fn work_moved_to_another_task_takes_the_trail_along() {
    let trail = Trail::root();
    let tasks = tokio_util::task::TaskTracker::new();

    trail
        .scope(async {
            start("ask", SpanKind::Internal)
                .run(async {
                    tasks
                        .spawn(carry(async { start("chat fast", SpanKind::Client).end() }))
                        .await
                })
                .await
                .unwrap();
        })
        .await;
    let spans = trail.finish();

    assert_eq!(
        by_name(&spans, "chat fast").parent,
        Some(by_name(&spans, "ask").span_id)
    );
}

#[tokio::test]
async fn a_span_whose_work_is_dropped_says_so() {
    let trail = Trail::root();

    let work = trail.scope(async {
        start("chat fast", SpanKind::Client)
            .run(std::future::pending::<()>())
            .await
    });
    let outcome = tokio::time::timeout(Duration::from_millis(1), work).await;
    let spans = trail.finish();

    assert!(outcome.is_err());
    assert_eq!(
        spans[0].attribute("sallyport.cancelled"),
        Some(&Value::Bool(true))
    );
}

#[test]
fn what_ends_after_its_trail_is_lost_and_harmless() {
    let trail = Trail::root();
    let late = trail.start("late", SpanKind::Internal);

    assert!(trail.finish().is_empty());
    late.end();
    assert_eq!(current(), None);
}

#[test]
fn a_trail_has_an_end() {
    let trail = Trail::root();

    for _ in 0..SPANS_MAX + 10 {
        trail.start("again", SpanKind::Internal).end();
    }

    assert_eq!(trail.finish().len(), SPANS_MAX);
}

#[test]
fn a_span_keeps_to_its_limits() {
    let trail = Trail::root();
    let mut span = trail.start("greedy", SpanKind::Internal);

    for number in 0..200u32 {
        span.set(format!("attribute.{number}"), number)
            .link(SpanContext::new_root(false));
        span.event("again", [("number", Value::from(number))]);
    }
    span.set("attribute.0", "é".repeat(VALUE_BYTES_MAX));
    span.fail("too_much", "x".repeat(VALUE_BYTES_MAX + 1));
    span.end();
    let spans = trail.finish();

    assert_eq!(spans[0].attributes.len(), ATTRIBUTES_MAX);
    assert_eq!(
        (spans[0].links.len(), spans[0].events.len()),
        (LINKS_MAX, EVENTS_MAX)
    );
    assert_eq!(
        spans[0]
            .attribute("attribute.0")
            .and_then(Value::as_str)
            .map(str::len),
        Some(VALUE_BYTES_MAX)
    );
    assert_eq!(spans[0].error().map(str::len), Some(VALUE_BYTES_MAX));
}

#[test]
fn a_record_survives_its_own_serialised_form() {
    let trail = Trail::root();
    let mut span = trail.start("process telegram.update", SpanKind::Consumer);
    span.set("text", "with \0 and \u{1F980}")
        .set("whole", 7)
        .set("part", 0.5)
        .set("yes", true)
        .set("none", f64::NAN);
    span.event("accepted", [("sink", Value::from("postgres"))]);
    span.fail("timeout", "no first token in 10 s");
    span.end();
    let spans = trail.finish();

    let bytes = serde_json::to_vec(&spans).unwrap();
    let read: Vec<SpanRecord> = serde_json::from_slice(&bytes).unwrap();

    assert_eq!(read, spans);
}

#[test]
fn errors_slowness_and_the_sample_are_kept() {
    let policy = KeepPolicy {
        ratio: 0.0,
        slow_ms: 200,
    };
    let trail = Trail::root();
    trail.start("fast", SpanKind::Internal).end();
    let fast = trail.finish();
    let slow = vec![SpanRecord {
        duration: 200_000_000,
        ..fast[0].clone()
    }];
    let failed = vec![SpanRecord {
        status: SpanStatus::Error("no".into()),
        ..fast[0].clone()
    }];

    assert!(!policy.keeps(&fast, false));
    assert!(policy.keeps(&fast, true));
    assert!(policy.keeps(&slow, false));
    assert!(policy.keeps(&failed, false));
}

#[test]
fn the_sample_is_as_large_as_asked_for() {
    let sampled = |ratio| {
        let policy = KeepPolicy { ratio, slow_ms: 1 };
        (0..10_000).filter(|_| policy.new_root().sampled).count()
    };

    assert_eq!((sampled(0.0), sampled(1.0)), (0, 10_000));
    assert!((4_500..5_500).contains(&sampled(0.5)));
}

#[derive(Default)]
struct Basket(Mutex<Vec<SpanRecord>>);

impl SpanSink for Basket {
    fn keep(&self, spans: Vec<SpanRecord>) {
        self.0.lock().extend(spans);
    }
}

#[test]
fn every_sink_gets_the_same_spans() {
    let (one, other) = (Arc::new(Basket::default()), Arc::new(Basket::default()));
    let sinks = Sinks(vec![one.clone(), other.clone()]);
    let trail = Trail::root();
    trail.start("work", SpanKind::Internal).end();

    sinks.keep(trail.finish());

    assert_eq!(one.0.lock().len(), 1);
    assert_eq!(*one.0.lock(), *other.0.lock());
}
