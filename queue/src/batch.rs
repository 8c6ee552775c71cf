//! Putting messages on the queue: the one way in, for accepted deliveries, for what settlements cause, for schedules that
//! are due and for dead letters that are tried again.
//!
//! A batch travels as arrays, one per column, so that a hundred messages are one statement with one plan. The statement's
//! pieces stand here as text, because a settlement puts its outgoing messages on the queue in its own statement.

use std::sync::LazyLock;
use std::time::Duration;

use tokio_postgres::types::ToSql;

use crate::error::StoreError;
use crate::message::NewMessage;

/// The columns of a batch and the types of their arrays.
const COLUMNS: [(&str, &str); 20] = [
    ("bot", "text"),
    ("tenant", "text"),
    ("source", "text"),
    ("delivery_id", "text"),
    ("kind", "text"),
    ("kind_version", "int2"),
    ("key", "text"),
    ("partition", "int2"),
    ("priority", "int2"),
    ("payload", "bytea"),
    ("payload_format", "int2"),
    ("subject", "text"),
    ("cause", "int8"),
    ("trace", "bytea"),
    ("trace_id", "bytea"),
    ("edge_spans", "bytea"),
    ("delay", "float8"),
    ("expires", "float8"),
    ("parent", "int8"),
    ("age", "float8"),
];

/// How many parameters a batch has: `$1` to this. What follows in a longer statement counts on from here.
pub(crate) const PARAMETERS: usize = COLUMNS.len();

/// The rows of the batch as the statement sees them.
pub(crate) static GIVEN: LazyLock<String> =
    LazyLock::new(|| format!("given AS MATERIALIZED (SELECT {})", unnested(&COLUMNS, 1)));

/// Arrays as rows with their `place`, counted from 1; the first array is the parameter `$first`. In the select list they are
/// walked side by side; unnested in FROM, each would be written down first, which costs a tenth of the whole statement.
pub(crate) fn unnested(columns: &[(&str, &str)], first: usize) -> String {
    let arrays: Vec<String> = (first..)
        .zip(columns)
        .map(|(place, (name, kind))| format!("unnest(${place}::{kind}[]) AS {name}"))
        .collect();
    format!(
        "{}, generate_series(1::int8, cardinality(${first})::int8) AS place",
        arrays.join(", ")
    )
}

/// Numbers what is `incoming` in the order given, leaves out what was accepted before, and puts in the rest. A delay of
/// more than a day makes a schedule, so that the queue holds only what is near (law L12). A message that was accepted some
/// time ago, by the spool of an edge, has an age: it was accepted then, and expires counted from then.
pub(crate) const PUT: &str = "
fresh AS (
    INSERT INTO deliveries (source, delivery_id, message_id, trace)
    SELECT source, delivery_id, id, trace FROM incoming WHERE delivery_id IS NOT NULL
    ON CONFLICT (source, delivery_id) DO NOTHING
    RETURNING message_id
),
kept AS MATERIALIZED (
    SELECT * FROM incoming WHERE delivery_id IS NULL OR id IN (SELECT message_id FROM fresh)
),
logged AS (
    INSERT INTO messages (id, day, bot, tenant, source, delivery_id, kind, kind_version, key, partition, priority,
                          payload, payload_format, subject, cause, trace, trace_id, edge_spans, accepted_at, expires_at)
    SELECT id, (statement_timestamp() AT TIME ZONE 'utc')::date, bot, tenant, source, delivery_id, kind, kind_version,
           key, partition, priority, payload, payload_format, subject, cause, trace, trace_id, edge_spans,
           statement_timestamp() - age * interval '1 second', statement_timestamp() + (expires - age) * interval '1 second'
    FROM kept WHERE coalesce(delay, 0) <= 86400
),
queued AS (
    INSERT INTO queue (id, day, partition, priority, lane, state, ready_at, kind, key)
    SELECT id, (statement_timestamp() AT TIME ZONE 'utc')::date, partition, priority, queue_lane(tenant),
           CASE WHEN delay > 0 THEN 1 ELSE 0 END,
           statement_timestamp() + coalesce(delay, 0) * interval '1 second', kind, key
    FROM kept WHERE coalesce(delay, 0) <= 86400
),
planned AS (
    INSERT INTO schedules (due_at, bot, tenant, source, kind, kind_version, key, partition, priority, payload,
                           payload_format, subject, cause, trace, expires_seconds)
    SELECT statement_timestamp() + delay * interval '1 second', bot, tenant, source, kind, kind_version, key,
           partition, priority, payload, payload_format, subject, cause, trace, expires
    FROM kept WHERE delay > 86400
)";

/// The whole statement for a batch that stands alone: which places of the batch were new, and their numbers.
///
/// `incoming` is read row by row: a number is drawn when its row's turn has come, after whoever held the pair of an earlier row
/// has ended. Drawn all at once, numbers of a replay could be older than that of an accept that was given up and is
/// stored after all, and the next of its key would overtake it (law L3).
pub(crate) fn put_statement() -> String {
    format!(
        "WITH {},
         incoming AS MATERIALIZED (SELECT nextval('message_order') AS id, g.* FROM given g),
         {PUT}
         SELECT place, id FROM kept",
        *GIVEN
    )
}

/// New messages as arrays, one per column.
#[derive(Debug, Default)]
pub(crate) struct Batch<'m> {
    bots: Vec<&'m str>,
    tenants: Vec<&'m str>,
    sources: Vec<&'m str>,
    delivery_ids: Vec<Option<&'m str>>,
    kinds: Vec<&'m str>,
    kind_versions: Vec<i16>,
    keys: Vec<&'m str>,
    partitions: Vec<i16>,
    priorities: Vec<i16>,
    payloads: Vec<&'m [u8]>,
    payload_formats: Vec<i16>,
    subjects: Vec<Option<&'m str>>,
    causes: Vec<Option<i64>>,
    traces: Vec<Vec<u8>>,
    trace_ids: Vec<Vec<u8>>,
    edge_spans: Vec<Option<Vec<u8>>>,
    delays: Vec<Option<f64>>,
    expiries: Vec<Option<f64>>,
    parents: Vec<i64>,
    ages: Vec<f64>,
}

impl<'m> Batch<'m> {
    /// A batch of messages that stand for themselves, in this order.
    ///
    /// # Errors
    /// One of them has an impossible shape.
    pub(crate) fn of(
        messages: impl IntoIterator<Item = &'m NewMessage>,
    ) -> Result<Self, StoreError> {
        let mut batch = Self::default();
        for message in messages {
            batch.push(message, 0)?;
        }
        Ok(batch)
    }

    /// The batch of messages that were accepted before now; `ages` says how long ago, each in its place.
    #[must_use]
    pub(crate) fn aged(mut self, ages: impl IntoIterator<Item = Duration>) -> Self {
        for (age, given) in self.ages.iter_mut().zip(ages) {
            *age = given.as_secs_f64();
        }
        self
    }

    /// Adds a message that is caused by the settlement in place `parent` of the same statement.
    ///
    /// # Errors
    /// It has an impossible shape.
    pub(crate) fn push(&mut self, message: &'m NewMessage, parent: i64) -> Result<(), StoreError> {
        message.check()?;
        self.bots.push(&message.bot);
        self.tenants.push(&message.tenant);
        self.sources.push(&message.source);
        self.delivery_ids.push(message.delivery_id.as_deref());
        self.kinds.push(&message.kind);
        self.kind_versions
            .push(i16::try_from(message.kind_version).unwrap_or(i16::MAX));
        self.keys.push(message.key.as_str());
        self.partitions.push(message.key.partition().to_sql());
        self.priorities.push(message.priority.to_sql());
        self.payloads.push(&message.payload);
        self.payload_formats.push(message.payload_format.to_sql());
        self.subjects.push(message.subject.as_deref());
        self.causes.push(message.cause.map(|cause| cause.0));
        self.traces.push(message.trace.to_bytes().to_vec());
        self.trace_ids
            .push(message.trace.trace_id.as_bytes().to_vec());
        self.edge_spans.push(
            message
                .edge_spans
                .as_ref()
                .and_then(|spans| serde_json::to_vec(spans).ok()),
        );
        self.delays
            .push(message.delay.map(|delay| delay.as_secs_f64()));
        self.expiries.push(
            message
                .expires_in
                .map(|expires_in| expires_in.as_secs_f64()),
        );
        self.parents.push(parent);
        self.ages.push(0.0);
        Ok(())
    }

    /// The parameters `$1` to [`PARAMETERS`].
    pub(crate) fn parameters(&self) -> [&(dyn ToSql + Sync); PARAMETERS] {
        [
            &self.bots,
            &self.tenants,
            &self.sources,
            &self.delivery_ids,
            &self.kinds,
            &self.kind_versions,
            &self.keys,
            &self.partitions,
            &self.priorities,
            &self.payloads,
            &self.payload_formats,
            &self.subjects,
            &self.causes,
            &self.traces,
            &self.trace_ids,
            &self.edge_spans,
            &self.delays,
            &self.expiries,
            &self.parents,
            &self.ages,
        ]
    }
}
