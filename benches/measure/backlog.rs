//! Putting a backlog on the queue in bulk, as if it had been accepted: rows of the log and of the queue, in order.

use anyhow::{Context, Result};
use sallyport_queue::Key;
use sallyport_telemetry::trace::SpanContext;
use tokio_postgres::Client;

/// The kind of every message.
pub(crate) const KIND: &str = "bench.nothing";
/// Messages put in with one statement.
const CHUNK: usize = 10_000;

const FILL: &str = "WITH fresh AS ( \
        SELECT nextval('message_order') AS id, key, partition, trace \
        FROM unnest($1::text[], $2::smallint[], $3::bytea[]) AS given (key, partition, trace) \
    ), logged AS ( \
        INSERT INTO messages (id, day, bot, tenant, source, kind, kind_version, key, partition, priority, payload, \
                              payload_format, trace, trace_id) \
        SELECT id, current_date, 'bench', $4, 'bench', 'bench.nothing', 1, key, partition, $5, $6, 0, trace, \
               substring(trace FOR 16) \
        FROM fresh \
    ) \
    INSERT INTO queue (id, day, partition, priority, lane, kind, key) \
    SELECT id, current_date, partition, $5, queue_lane($4), 'bench.nothing', key FROM fresh";

/// What the messages are like.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// They are spread over so many keys; 0 means a key for each.
    pub(crate) keys: usize,
    /// What the keys begin with.
    pub(crate) prefix: &'static str,
    pub(crate) tenant: &'static str,
    /// 0 interactive, 1 delivery, 2 background.
    pub(crate) priority: i16,
    pub(crate) payload_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keys: 0,
            prefix: "in:bench",
            tenant: "bench",
            priority: 0,
            payload_bytes: 300,
        }
    }
}

/// Puts so many messages on the queue.
pub(crate) async fn fill(owner: &Client, messages: usize, options: &Options) -> Result<()> {
    let payload = vec![b'1'; options.payload_bytes];
    let mut number = 0;
    while number < messages {
        let count = (messages - number).min(CHUNK);
        let keys: Vec<Key> = (number..number + count)
            .map(|number| match options.keys {
                0 => number,
                keys => number % keys,
            })
            .map(|name| Key::from(format!("{}:{name}", options.prefix)))
            .collect();
        let names: Vec<&str> = keys.iter().map(Key::as_str).collect();
        let partitions: Vec<i16> = keys
            .iter()
            .map(|key| i16::from(key.partition().index()))
            .collect();
        let traces: Vec<Vec<u8>> = keys
            .iter()
            .map(|_| SpanContext::new_root(false).to_bytes().to_vec())
            .collect();
        owner
            .execute(
                FILL,
                &[
                    &names,
                    &partitions,
                    &traces,
                    &options.tenant,
                    &options.priority,
                    &payload,
                ],
            )
            .await
            .context("the queue could not be filled")?;
        number += count;
    }
    Ok(())
}

/// Lets the database catch up with a bulk fill before anything is measured.
pub(crate) async fn settle_down(owner: &Client) -> Result<()> {
    for statement in [
        "VACUUM ANALYZE queue",
        "VACUUM ANALYZE messages",
        "CHECKPOINT",
    ] {
        owner
            .batch_execute(statement)
            .await
            .context("the filled queue could not be tidied")?;
    }
    Ok(())
}
