//! A message as it lies in the spool: a version, a few words of JSON about it, and its payload as it came.
//!
//! A later program must read what an earlier one has left: fields are only ever added, with defaults.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use sallyport_telemetry::trace::{SpanContext, SpanKind, SpanRecord, SpanStatus};
use serde::{Deserialize, Serialize};

use crate::message::{MessageId, NewMessage, PayloadFormat, Priority};
use crate::partition::Key;
use crate::spool::{NewRecord, Record};

const VERSION: u8 = 1;

/// Why a record holds no message that this program can read.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnreadableRecord {
    /// Another program wrote it.
    #[error("a record of version {0}, this program reads {VERSION}")]
    Version(u8),
    /// Its shape is not that of a message.
    #[error("a record is not a message: {0}")]
    Shape(&'static str),
    /// Its words cannot be read.
    #[error("the words of a record cannot be read")]
    Words(#[source] serde_json::Error),
}

/// The clocks of one run of an edge. Within a run a record's age is told by the monotonic one, so that a wall clock that is set
/// while Postgres is away makes nothing expire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    run: u64,
    started: Instant,
}

/// A message that comes from the spool.
#[derive(Debug)]
pub(super) struct Spooled {
    pub(super) sequence: u64,
    pub(super) message: NewMessage,
    /// How long ago it was accepted; never negative.
    pub(super) age: Duration,
}

#[derive(Serialize, Deserialize)]
struct Words<'m> {
    #[serde(borrow)]
    bot: Cow<'m, str>,
    #[serde(borrow)]
    tenant: Cow<'m, str>,
    #[serde(borrow)]
    source: Cow<'m, str>,
    #[serde(borrow)]
    delivery: Option<Cow<'m, str>>,
    #[serde(borrow)]
    kind: Cow<'m, str>,
    version: u16,
    #[serde(borrow)]
    key: Cow<'m, str>,
    priority: i16,
    format: i16,
    #[serde(borrow, default)]
    subject: Option<Cow<'m, str>>,
    #[serde(default)]
    cause: Option<MessageId>,
    trace: SpanContext,
    #[serde(default)]
    spans: Option<Cow<'m, [SpanRecord]>>,
    #[serde(default)]
    delay: Option<Duration>,
    #[serde(default)]
    expires: Option<Duration>,
    run: u64,
    /// How long the run had lasted when it was accepted.
    up: Duration,
}

impl Clocks {
    pub(super) fn new(run: u64) -> Self {
        Self {
            run,
            started: Instant::now(),
        }
    }

    /// The record of a message that is accepted now.
    pub(super) fn record(&self, message: &NewMessage) -> Result<NewRecord, UnreadableRecord> {
        let words = Words {
            bot: (&*message.bot).into(),
            tenant: (&*message.tenant).into(),
            source: (&*message.source).into(),
            delivery: message.delivery_id.as_deref().map(Cow::Borrowed),
            kind: (&*message.kind).into(),
            version: message.kind_version,
            key: message.key.as_str().into(),
            priority: message.priority.to_sql(),
            format: message.payload_format.to_sql(),
            subject: message.subject.as_deref().map(Cow::Borrowed),
            cause: message.cause,
            trace: message.trace,
            spans: message.edge_spans.as_deref().map(Cow::Borrowed),
            delay: message.delay,
            expires: message.expires_in,
            run: self.run,
            up: self.started.elapsed(),
        };
        let words = serde_json::to_vec(&words).map_err(UnreadableRecord::Words)?;
        let length = u32::try_from(words.len())
            .map_err(|_| UnreadableRecord::Shape("its words are too long"))?;
        let mut payload = Vec::with_capacity(5 + words.len() + message.payload.len());
        payload.push(VERSION);
        payload.extend_from_slice(&length.to_le_bytes());
        payload.extend_from_slice(&words);
        payload.extend_from_slice(&message.payload);
        Ok(NewRecord {
            at_us: Timestamp::now().as_microsecond(),
            payload: payload.into(),
        })
    }

    /// The message in a record, as old as it is now.
    pub(super) fn message(&self, record: &Record) -> Result<Spooled, UnreadableRecord> {
        let (words, payload) = split(&record.payload)?;
        let words: Words<'_> = serde_json::from_slice(words).map_err(UnreadableRecord::Words)?;
        let age = self.age(&words, record.at_us);
        let spans = words.spans.map(|spans| {
            let mut spans = spans.into_owned();
            spans.push(lain(&words.trace, record, age));
            spans
        });
        let message = NewMessage {
            bot: words.bot.into_owned(),
            tenant: words.tenant.into_owned(),
            source: words.source.into_owned(),
            delivery_id: words.delivery.map(Cow::into_owned),
            kind: words.kind.into_owned(),
            kind_version: words.version,
            key: Key::new(&words.key),
            priority: Priority::from_sql(words.priority)
                .ok_or(UnreadableRecord::Shape("unknown priority"))?,
            payload: record.payload.slice_ref(payload),
            payload_format: PayloadFormat::from_sql(words.format)
                .ok_or(UnreadableRecord::Shape("unknown payload format"))?,
            subject: words.subject.map(Cow::into_owned),
            cause: words.cause,
            trace: words.trace,
            edge_spans: spans,
            delay: words.delay.map(|delay| delay.saturating_sub(age)),
            expires_in: words.expires,
            unique: None,
        };
        Ok(Spooled {
            sequence: record.sequence,
            message,
            age,
        })
    }

    fn age(&self, words: &Words<'_>, at_us: i64) -> Duration {
        if words.run == self.run {
            return self.started.elapsed().saturating_sub(words.up);
        }
        let passed = Timestamp::now().as_microsecond().saturating_sub(at_us);
        Duration::from_micros(u64::try_from(passed).unwrap_or(0))
    }
}

/// The version, then the length of the words, then the words, then the payload.
fn split(record: &Bytes) -> Result<(&[u8], &[u8]), UnreadableRecord> {
    let short = UnreadableRecord::Shape("it is too short");
    let (version, rest) = match record.split_first() {
        Some((version, rest)) => (*version, rest),
        None => return Err(short),
    };
    if version != VERSION {
        return Err(UnreadableRecord::Version(version));
    }
    let Some((length, rest)) = rest.split_first_chunk::<4>() else {
        return Err(short);
    };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    rest.split_at_checked(length).ok_or(short)
}

/// The time that a message lay in the spool, as a span of its trace.
fn lain(trace: &SpanContext, record: &Record, age: Duration) -> SpanRecord {
    let span = trace.child();
    SpanRecord {
        trace_id: span.trace_id,
        span_id: span.span_id,
        parent: Some(trace.span_id),
        links: Vec::new(),
        name: Cow::Borrowed("spool append"),
        kind: SpanKind::Internal,
        start: Timestamp::from_microsecond(record.at_us).unwrap_or_default(),
        duration: u64::try_from(age.as_nanos()).unwrap_or(u64::MAX),
        status: SpanStatus::Unset,
        attributes: vec![
            ("sallyport.spool.segment".into(), record.segment.into()),
            ("sallyport.spool.bytes".into(), record.payload.len().into()),
        ],
        events: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> NewMessage {
        NewMessage {
            bot: "ops".to_owned(),
            tenant: "house".to_owned(),
            source: "telegram:\"ops\"\u{1}".to_owned(),
            delivery_id: Some("77".to_owned()),
            kind: "telegram.update".to_owned(),
            kind_version: 3,
            key: Key::new("in:telegram:ops:1"),
            priority: Priority::Background,
            payload: Bytes::from_static(b"\x00\xff{\"a\":1}"),
            payload_format: PayloadFormat::Json,
            subject: None,
            cause: Some(MessageId(4)),
            trace: SpanContext::new_root(true),
            edge_spans: Some(Vec::new()),
            delay: Some(Duration::from_secs(3_600)),
            expires_in: Some(Duration::from_secs(60)),
            unique: None,
        }
    }

    fn record(new: NewRecord) -> Record {
        Record {
            sequence: 5,
            at_us: new.at_us,
            payload: new.payload,
            segment: 2,
        }
    }

    #[test]
    fn what_was_spooled_is_what_is_replayed() {
        let clocks = Clocks::new(1);
        let given = message();

        let read = clocks
            .message(&record(clocks.record(&given).unwrap()))
            .unwrap();

        let NewMessage {
            delay, edge_spans, ..
        } = read.message.clone();
        assert_eq!(edge_spans.unwrap()[0].name, "spool append");
        assert!(delay.unwrap() > Duration::from_secs(3_590));
        let same = NewMessage {
            delay: given.delay,
            edge_spans: given.edge_spans.clone(),
            ..read.message
        };
        assert_eq!(format!("{same:?}"), format!("{given:?}"));
    }

    #[test]
    fn a_clock_that_was_set_makes_nothing_older_within_a_run_and_nothing_negative_after_it() {
        let clocks = Clocks::new(1);
        for hours in [-1, 1] {
            let mut spooled = record(clocks.record(&message()).unwrap());
            spooled.at_us += hours * 3_600_000_000;

            let same_run = clocks.message(&spooled).unwrap().age;
            let next_run = Clocks::new(2).message(&spooled).unwrap().age;

            assert!(same_run < Duration::from_secs(10));
            assert_eq!(
                next_run >= Duration::from_secs(3_590),
                hours < 0,
                "{next_run:?}"
            );
        }
    }

    #[test]
    fn what_is_no_message_is_an_error_and_no_panic() {
        let clocks = Clocks::new(1);
        let whole = clocks.record(&message()).unwrap();
        for length in 0..whole.payload.len().min(300) {
            let mut cut = record(whole.clone());
            cut.payload.truncate(length);
            assert!(clocks.message(&cut).is_err(), "{length}");
        }
    }
}
