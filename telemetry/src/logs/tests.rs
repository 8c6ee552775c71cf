//! Lines as machines and people read them, under load and on disk.

use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt as _;

use super::layer::Lines;
use super::line::FIELD_BYTES_MAX;
use super::misleading::misleads;
use super::queue::Queue;
use super::rotation::RotatingFile;
use super::writer::Writer;
use super::{LogFile, LogSettings};
use crate::trace::{SpanContext, Trail};
use crate::{Chain, Identity};

/// What a function logs, as one text.
fn logged(lines: Lines, work: impl FnOnce()) -> String {
    let queue = Arc::new(Queue::new(100));
    let subscriber = tracing_subscriber::registry().with(lines.to(Arc::clone(&queue)));
    tracing::subscriber::with_default(subscriber, work);
    if queue.len() == 0 {
        String::new()
    } else {
        queue.take().unwrap()
    }
}

fn json() -> Lines {
    Lines::json(&Identity::new("1.2.3", "abc", "test"))
}

#[test]
fn a_json_line_reads_alone() {
    let trail = Trail::continuing(
        SpanContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap(),
    );

    let line = logged(json(), || {
        trail.within(|| {
            tracing::info!(name: "intake.accepted", { message.id = 7, duplicate = false, duration_s = 0.25 }, "Message accepted");
        });
    });

    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (
            line["severity_text"].as_str(),
            line["severity_number"].as_i64()
        ),
        (Some("INFO"), Some(9))
    );
    assert_eq!(
        (line["event.name"].as_str(), line["body"].as_str()),
        (Some("intake.accepted"), Some("Message accepted"))
    );
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(
        (line["span_id"].as_str(), line["trace_flags"].as_str()),
        (Some("00f067aa0ba902b7"), Some("01"))
    );
    assert_eq!(
        (
            line["service.name"].as_str(),
            line["service.version"].as_str()
        ),
        (Some("sallyport"), Some("1.2.3"))
    );
    assert_eq!(
        (line["message.id"].as_i64(), line["duplicate"].as_bool()),
        (Some(7), Some(false))
    );
    assert_eq!(line["duration_s"], 0.25);
    let at = line["timestamp"].as_str().unwrap();
    assert!(
        at.len() == "2026-11-20T23:01:02.123456Z".len() && at.parse::<Timestamp>().is_ok(),
        "{at}"
    );
}

#[test]
fn a_strangers_line_break_makes_no_second_line() {
    let text = "first\nINFO forged \u{1b}[2J \u{7f} \"quoted\" \\ \u{2028}second\u{2029} \u{202e}deliah \u{feff}\u{200b}";

    let json = logged(
        json(),
        || tracing::warn!(name: "edge.refused", user_agent = text, "Refused"),
    );
    let short = logged(
        Lines::short(false),
        || tracing::warn!(name: "edge.refused", user_agent = text, "Refused"),
    );

    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(read["user_agent"], text);
    for line in [json, short] {
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(!line.trim_end().contains(misleads), "{line:?}");
    }
}

#[test]
fn a_short_line_is_for_a_person() {
    let trail = Trail::continuing(SpanContext::new_root(false));
    let code = trail.context().trace_id.support_code();

    let line = logged(Lines::short(false), || {
        trail.within(|| tracing::info!(name: "intake.accepted", { message.id = 7, source = "telegram:ops" }, "Message accepted"));
    });

    assert!(
        line.ends_with(&format!(
            " INFO  Message accepted message.id=7 source=telegram:ops {code}\n"
        )),
        "{line}"
    );
}

#[test]
fn an_error_is_told_with_its_causes() {
    let error = std::io::Error::other("connection reset");

    let line = logged(
        json(),
        || tracing::warn!(name: "otlp.failed", error = %Chain(&error), "No export"),
    );

    assert!(line.contains("\"error\":\"connection reset\""), "{line}");
}

#[test]
fn a_huge_field_is_cut() {
    let line = logged(json(), || {
        tracing::info!(name: "test.huge", text = "é".repeat(FIELD_BYTES_MAX), debug = ?vec![0u8; FIELD_BYTES_MAX], "Huge");
    });

    let read: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(read["text"].as_str().map(str::len), Some(FIELD_BYTES_MAX));
    assert_eq!(read["debug"].as_str().map(str::len), Some(FIELD_BYTES_MAX));
}

#[test]
fn a_full_queue_gives_up_the_least_severe_line() {
    let queue = Queue::new(3);

    assert!(queue.put(Level::ERROR, "error\n".into()));
    assert!(queue.put(Level::INFO, "info\n".into()));
    assert!(queue.put(Level::DEBUG, "debug\n".into()));
    assert!(
        !queue.put(Level::WARN, "warn\n".into()),
        "the debug line gives way"
    );
    assert!(
        !queue.put(Level::INFO, "late\n".into()),
        "nothing less severe is left"
    );

    assert_eq!(queue.take().as_deref(), Some("error\ninfo\nwarn\n"));
}

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn closing_waits_for_what_is_queued() {
    let page = Page::default();
    let writer = Writer::start(page.clone()).unwrap();

    for number in 0..1000 {
        writer.queue().put(Level::INFO, format!("{number}\n"));
    }
    writer.close(Duration::from_secs(5));

    let expected: String = (0..1000).map(|number| format!("{number}\n")).collect();
    assert_eq!(String::from_utf8(page.0.lock().clone()).unwrap(), expected);
    assert!(!writer.queue().put(Level::ERROR, "too late\n".into()));
}

static CLOCK: AtomicI64 = AtomicI64::new(1_800_000_000);

fn clock() -> Timestamp {
    Timestamp::from_second(CLOCK.load(Ordering::Relaxed)).unwrap()
}

#[test]
fn a_file_is_rotated_when_full_and_at_midnight_and_old_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs/sallyport.log");
    let settings = LogFile {
        path: path.clone(),
        bytes_max: 10,
        files_kept: 2,
    };
    let mut file = RotatingFile::with_clock(&settings, clock).unwrap();

    for line in ["first line\n", "second line\n", "third line\n"] {
        file.write_all(line.as_bytes()).unwrap();
        CLOCK.fetch_add(1, Ordering::Relaxed);
    }
    CLOCK.fetch_add(86_400, Ordering::Relaxed);
    file.write_all(b"4th\n").unwrap();

    let pieces = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(pieces, 3, "the current file and the two that are kept");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "4th\n");
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o640
    );
}

#[test]
fn settings_refuse_a_level_that_is_none() {
    use validator::Validate as _;

    let level = |level: &str| LogSettings {
        level: level.to_owned(),
        ..LogSettings::default()
    };

    assert!(level("info,sallyport_queue=debug").validate().is_ok());
    assert!(level("queue=loud").validate().is_err());
}
