//! Telemetry: the catalogue of names, metrics, logs, traces and health.
//!
//! Everything that the house says about itself goes through this room, so that one name has one spelling in code, log, metric and
//! dashboard, and a number on a panel can be followed to a trace. It sees nothing of ours and knows no message, bot or queue; it
//! never blocks whoever tells it something: what cannot be kept is dropped and counted. It does not read the environment.
//!
//! # Saying that something happened
//!
//! What happens is an [`Event`]: one struct per thing, whose one `emit` makes the log line and the metric of the same fields. The
//! handles it moves are resolved when the service starts and kept in its struct.
//!
//! ```
//! use sallyport_telemetry::{Event, Metric, metrics::{Counters, Counter, counter}};
//!
//! /// What intake counts.
//! pub struct Meters {
//!     accepted: Counters,       // a family: the source is known only when it happens
//!     reclaimed: Counter,       // a single series
//! }
//!
//! impl Meters {
//!     pub fn new() -> Self {
//!         Self { accepted: Counters::new(Metric::IntakeAccepted), reclaimed: counter(Metric::LeasesReclaimed, &[]) }
//!     }
//! }
//!
//! /// A delivery is on disk.
//! pub struct Accepted<'a> {
//!     pub source: &'a str,
//!     pub message: i64,
//! }
//!
//! impl Event for Accepted<'_> {
//!     type Meters = Meters;
//!
//!     fn emit(&self, meters: &Meters) {
//!         meters.accepted.of(&[self.source, "postgres"]).increment();
//!         tracing::info!(name: "intake.accepted", { message.id = self.message, source = self.source }, "Message accepted");
//!     }
//! }
//!
//! let meters = Meters::new();
//! Accepted { source: "telegram:ops", message: 7 }.emit(&meters);
//! # meters.reclaimed.add(0);
//! # assert!(sallyport_telemetry::metrics::install().render().contains("sallyport_intake_accepted_total{"));
//! ```
//!
//! The `name:` of a line is its place in the registry of events: `area.thing_that_happened`. Its text is constant, sentence case,
//! without a full stop; values are fields with dotted names, put in braces (without them `tracing` stumbles over a dotted first
//! field). `error` means that somebody should act, `warn` that it went on worse, `info` is the story of the system; what
//! concerns single items is `debug`. An error is given as `error = %Chain(&error)`, which tells its causes. The trace id comes
//! along by itself. Never log a secret, a token, a body, a whole address.
//!
//! # Telling a trace
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use sallyport_telemetry::trace::{self, SpanContext, SpanKind, Trail};
//!
//! # let incoming = SpanContext::new_root(false);
//! let trail = Trail::continuing(incoming); // or Trail::rooted(policy.new_root())
//! trail
//!     .scope(async {
//!         let mut span = trace::start("process telegram.update", SpanKind::Consumer);
//!         span.set("sallyport.attempt", 1);
//!         let answered = span.within(async { trace::start("chat fast", SpanKind::Client).run(async { 42 }).await }).await;
//!         span.set("answer", answered);
//!     })
//!     .await;
//! let spans = trail.finish(); // to a SpanSink, if KeepPolicy says so
//! # assert_eq!(spans.len(), 2);
//! # });
//! ```
//!
//! # What it costs
//!
//! `cargo bench -p sallyport-telemetry` prints it for the machine at hand; see `benches/cost.rs` for numbers with their date.

pub mod admin;
pub mod catalogue;
mod event;
pub mod health;
mod identity;
pub mod logs;
pub mod metrics;
pub mod panics;
#[cfg(feature = "fail-points")]
pub mod points;
pub mod probe;
pub mod trace;

pub use catalogue::{Label, Metric};
pub use event::{Chain, Event};
pub use health::Health;
pub use identity::Identity;
pub use metrics::{counter, gauge, histogram};

/// The longest beginning of a text that has at most so many bytes and ends between two characters.
pub fn cut(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let end = (0..=bytes_max)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
