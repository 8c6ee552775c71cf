//! The statement that ends attempts (law L6), put together from named pieces.
//!
//! Fence, end and consequences are one statement: it takes effect wholly, for exactly those settlements whose worker
//! still owns the partition and whose message is still there, and for each of the others not at all. The lock on each
//! lease keeps the ownership where it is until the commit.
//!
//! A settlement may reach the database twice, the second time long after its sender gave up on it. By then its message may
//! have come back and been claimed again, by the same worker under the same token; `counted_claim` tells the two attempts
//! apart.

use std::sync::LazyLock;

use jiff::Timestamp;
use tokio_postgres::types::ToSql;

use crate::batch::{GIVEN, PARAMETERS, PUT, unnested};
use crate::message::ErrorNote;
use crate::settlement::{HoldChange, Settlement, Verdict};

/// How much of an error's text is kept with a message.
const ERROR_TEXT_BYTES_MAX: usize = 2_048;
/// How much of an error's kind.
const ERROR_KIND_BYTES_MAX: usize = 64;

/// What an end needs, with the types of its arrays.
const PLAIN: [(&str, &str); 10] = [
    ("id", "int8"),
    ("partition", "int2"),
    ("priority", "int2"),
    ("token", "int8"),
    ("claim", "int8"),
    ("attempt", "int2"),
    ("verdict", "text"),
    ("error_kind", "text"),
    ("error_text", "text"),
    ("started_at", "timestamptz"),
];

/// What other settlements need besides.
const MORE: [(&str, &str); 5] = [
    ("final", "bool"),
    ("after", "float8"),
    ("hold", "int2"),
    ("hold_for", "float8"),
    ("key", "text"),
];

/// The rows of those attempts whose worker may still settle. Each lease is locked once, in the order of the partitions.
///
/// Here and below, `IN (…) IS TRUE` keeps the planner from making a join of it: joined in a loop, as all plans of the queue are
/// (`FIXED_PLANS` of the sessions), a thousand settlements were compared with every lease and cost half of the statement. As
/// it stands the set is hashed once.
fn fenced(owner: usize) -> String {
    format!(
        "mine AS MATERIALIZED (
             SELECT given.partition, given.token
             FROM (SELECT DISTINCT partition, token FROM settled ORDER BY partition, token) AS given
             CROSS JOIN LATERAL (
                 SELECT FROM leases l WHERE l.partition = given.partition AND l.token = given.token AND l.owner = ${owner}
                 FOR SHARE
             ) AS still_mine
         ),
         fenced AS MATERIALIZED (
             SELECT s.* FROM settled s WHERE (s.partition, s.token) IN (SELECT partition, token FROM mine) IS TRUE
         )"
    )
}

const ENDED: &str = "
gone AS (
    DELETE FROM queue q USING fenced s
    WHERE s.final AND q.state <> 1 AND q.partition = s.partition AND q.priority = s.priority AND q.id = s.id
      AND q.counted_claim < s.claim
    RETURNING s.place, q.id, q.day, s.verdict, s.attempt, s.error_kind, s.error_text, s.started_at, s.claim
),
ended AS (
    INSERT INTO endings (message_id, day, outcome, attempt, error_kind, error_text, started_at, worker, claim)
    SELECT id, day, verdict, attempt, error_kind, error_text, started_at, OWNER, claim FROM gone
)";

const CONSEQUENCES: &str = "
buried AS (
    INSERT INTO dead_letters (id, bot, tenant, source, delivery_id, kind, kind_version, key, priority, payload,
                              payload_format, encryption_key, subject, cause, trace, accepted_at, attempts,
                              error_kind, error_text)
    SELECT m.id, m.bot, m.tenant, m.source, m.delivery_id, m.kind, m.kind_version, m.key, m.priority, m.payload,
           m.payload_format, m.encryption_key, m.subject, m.cause, m.trace, m.accepted_at, g.attempt,
           coalesce(g.error_kind, 'unknown'), coalesce(g.error_text, '')
    FROM gone g JOIN messages m ON m.day = g.day AND m.id = g.id
    WHERE g.verdict = 'dead'
),
returned AS (
    UPDATE queue q
    SET state = CASE WHEN s.after > 0 THEN 1 ELSE q.state END,
        stepped_over = q.stepped_over OR s.hold = 4,
        ready_at = statement_timestamp() + s.after * interval '1 second',
        attempts = CASE WHEN s.verdict = 'retry' THEN s.attempt ELSE q.attempts END,
        counted_claim = s.claim
    FROM fenced s
    WHERE NOT s.final AND q.state <> 1
      AND q.partition = s.partition AND q.priority = s.priority AND q.id = s.id
      AND q.counted_claim < s.claim
    RETURNING s.place, q.id, q.day, s.verdict, s.attempt, s.error_kind, s.error_text, s.started_at, s.claim
),
tried AS (
    INSERT INTO attempts (message_id, day, attempt, outcome, error_kind, error_text, started_at, worker, claim)
    SELECT id, day, attempt, verdict, error_kind, error_text, started_at, OWNER, claim FROM returned
),
through AS MATERIALIZED (
    SELECT place FROM gone UNION ALL SELECT place FROM returned
),
held AS (
    INSERT INTO held_keys (partition, key, head, until)
    SELECT partition, key, id,
           CASE WHEN hold = 1 THEN statement_timestamp() + hold_for * interval '1 second' END
    FROM fenced WHERE hold IN (1, 2) AND place IN (SELECT place FROM through) IS TRUE
    ON CONFLICT (partition, key) DO UPDATE SET head = excluded.head, until = excluded.until
    WHERE held_keys.head <> excluded.head OR excluded.until IS NULL
),
lifted AS (
    DELETE FROM held_keys h USING fenced s
    WHERE (s.hold = 3 OR s.hold = 4 AND h.head = s.id) AND h.partition = s.partition AND h.key = s.key
      AND s.place IN (SELECT place FROM through) IS TRUE
),
incoming AS MATERIALIZED (
    SELECT nextval('message_order') AS id, g.* FROM given g WHERE g.parent IN (SELECT place FROM through) IS TRUE
)";

/// Ends messages, and nothing else: what most of all settlements need. Its parameters are the first of [`Ends`].
pub(crate) static END: LazyLock<String> = LazyLock::new(|| {
    let owner = PLAIN.len() + 1;
    format!(
        "WITH settled AS MATERIALIZED (SELECT {}, true AS final), {}, {} SELECT place FROM gone",
        unnested(&PLAIN, 1),
        fenced(owner),
        ENDED.replace("OWNER", &format!("${owner}"))
    )
});

/// Ends attempts in every way, with all consequences: dead letters, retries, holds, outgoing messages.
pub(crate) static SETTLE: LazyLock<String> = LazyLock::new(|| {
    let first = PARAMETERS + 1;
    let owner = first + PLAIN.len() + MORE.len();
    let name = format!("${owner}");
    format!(
        "WITH {given}, settled AS MATERIALIZED (SELECT {settled}), {fenced}, {ended}, {consequences}, {PUT} SELECT place FROM through",
        given = *GIVEN,
        settled = unnested(&[&PLAIN[..], &MORE[..]].concat(), first),
        fenced = fenced(owner),
        ended = ENDED.replace("OWNER", &name),
        consequences = CONSEQUENCES.replace("OWNER", &name),
    )
});

/// The ends of attempts as arrays, one per column.
#[derive(Debug)]
pub(crate) struct Ends<'s> {
    ids: Vec<i64>,
    partitions: Vec<i16>,
    priorities: Vec<i16>,
    tokens: Vec<i64>,
    claims: Vec<i64>,
    attempts: Vec<i16>,
    verdicts: Vec<&'static str>,
    finals: Vec<bool>,
    afters: Vec<f64>,
    error_kinds: Vec<Option<String>>,
    error_texts: Vec<Option<String>>,
    started: Vec<Timestamp>,
    holds: Vec<i16>,
    holds_for: Vec<Option<f64>>,
    keys: Vec<&'s str>,
    owner: &'s str,
}

impl<'s> Ends<'s> {
    /// The ends of these settlements, in this order, by the worker `owner`.
    pub(crate) fn of(settlements: &[&'s Settlement], owner: &'s str) -> Self {
        let size = settlements.len();
        let mut ends = Self {
            ids: Vec::with_capacity(size),
            partitions: Vec::with_capacity(size),
            priorities: Vec::with_capacity(size),
            tokens: Vec::with_capacity(size),
            claims: Vec::with_capacity(size),
            attempts: Vec::with_capacity(size),
            verdicts: Vec::with_capacity(size),
            finals: Vec::with_capacity(size),
            afters: Vec::with_capacity(size),
            error_kinds: Vec::with_capacity(size),
            error_texts: Vec::with_capacity(size),
            started: Vec::with_capacity(size),
            holds: Vec::with_capacity(size),
            holds_for: Vec::with_capacity(size),
            keys: Vec::with_capacity(size),
            owner,
        };
        for settlement in settlements {
            ends.push(settlement);
        }
        ends
    }

    fn push(&mut self, settlement: &'s Settlement) {
        let message = &settlement.message;
        let verdict = Written::of(&settlement.verdict);
        let (hold, hold_for) = written_hold(settlement.hold);
        self.ids.push(message.id.0);
        self.partitions.push(message.partition.to_sql());
        self.priorities.push(message.priority.to_sql());
        self.tokens.push(message.token.0);
        self.claims.push(message.claim.0);
        self.attempts
            .push(i16::try_from(settlement.attempt).unwrap_or(i16::MAX));
        self.verdicts.push(verdict.word);
        self.finals.push(settlement.verdict.outcome().is_some());
        self.afters.push(verdict.after);
        self.error_kinds.push(verdict.error_kind);
        self.error_texts.push(verdict.error_text);
        self.started.push(settlement.started_at);
        self.holds.push(hold);
        self.holds_for.push(hold_for);
        self.keys.push(message.key.as_str());
    }

    /// The parameters of [`END`].
    pub(crate) fn plain(&self) -> [&(dyn ToSql + Sync); PLAIN.len() + 1] {
        [
            &self.ids,
            &self.partitions,
            &self.priorities,
            &self.tokens,
            &self.claims,
            &self.attempts,
            &self.verdicts,
            &self.error_kinds,
            &self.error_texts,
            &self.started,
            &self.owner,
        ]
    }

    /// The parameters of [`SETTLE`] behind those of the batch.
    pub(crate) fn whole(&self) -> Vec<&(dyn ToSql + Sync)> {
        let mut all = self.plain().to_vec();
        let owner = all.pop();
        let more: [&(dyn ToSql + Sync); MORE.len()] = [
            &self.finals,
            &self.afters,
            &self.holds,
            &self.holds_for,
            &self.keys,
        ];
        all.extend(more);
        all.extend(owner);
        all
    }
}

/// A verdict in the words of the tables.
struct Written {
    word: &'static str,
    after: f64,
    error_kind: Option<String>,
    error_text: Option<String>,
}

impl Written {
    fn of(verdict: &Verdict) -> Self {
        let plain = |word| Self {
            word,
            after: 0.0,
            error_kind: None,
            error_text: None,
        };
        match verdict {
            Verdict::Retry { after, error } => Self {
                after: after.as_secs_f64(),
                ..Self::failed("retry", error)
            },
            Verdict::Snooze { for_ } => Self {
                after: for_.as_secs_f64(),
                ..plain("snooze")
            },
            Verdict::Dead { error } => Self::failed("dead", error),
            Verdict::Cancelled { reason } => Self {
                error_text: Some(storable(reason, ERROR_TEXT_BYTES_MAX)),
                ..plain("cancelled")
            },
            Verdict::Done => plain("done"),
            Verdict::Ignored => plain("ignored"),
            Verdict::Expired => plain("expired"),
            Verdict::Erased => plain("erased"),
        }
    }

    fn failed(word: &'static str, error: &ErrorNote) -> Self {
        Self {
            word,
            after: 0.0,
            error_kind: Some(storable(&error.kind, ERROR_KIND_BYTES_MAX)),
            error_text: Some(storable(&error.text, ERROR_TEXT_BYTES_MAX)),
        }
    }
}

fn written_hold(hold: HoldChange) -> (i16, Option<f64>) {
    match hold {
        HoldChange::Keep => (0, None),
        HoldChange::Until(longest) => (1, Some(longest.as_secs_f64())),
        HoldChange::Park => (2, None),
        HoldChange::Lift => (3, None),
        HoldChange::StepOver => (4, None),
    }
}

/// A text that the database can store: without NUL, and not endless.
pub(crate) fn storable(text: &str, bytes_max: usize) -> String {
    sallyport_telemetry::cut(text, bytes_max).replace('\0', "")
}
