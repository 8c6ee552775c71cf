//! Whether the tables of the queue fit together. Each question counts what must not be there; the laws are in the design.

use tokio_postgres::Client;

use crate::error::Trouble;

/// What would be wrong, and how many such rows there are.
const QUESTIONS: [(&str, &str); 7] = [
    (
        "unfinished messages have no row in the log",
        "SELECT count(*) FROM queue q WHERE NOT EXISTS (SELECT FROM messages m WHERE m.day = q.day AND m.id = q.id)",
    ),
    (
        "unfinished messages have ended",
        "SELECT count(*) FROM queue q WHERE EXISTS (SELECT FROM endings e WHERE e.message_id = q.id)",
    ),
    (
        "messages neither wait nor ended",
        "SELECT count(*) FROM messages m WHERE NOT EXISTS (SELECT FROM queue q WHERE q.id = m.id)
         AND NOT EXISTS (SELECT FROM endings e WHERE e.message_id = m.id)",
    ),
    (
        "unique pairs occur twice",
        "SELECT count(*) FROM (SELECT FROM deliveries GROUP BY source, delivery_id HAVING count(*) > 1) twice",
    ),
    (
        "partitions have no lease, or one that was never counted",
        "SELECT count(*) FROM generate_series(0, (SELECT value::int - 1 FROM house WHERE name = 'partitions')) p
         LEFT JOIN leases l ON l.partition = p WHERE l.partition IS NULL OR l.counted > l.token",
    ),
    (
        "messages lie in a partition that does not exist",
        "SELECT count(*) FROM queue WHERE partition NOT BETWEEN 0 AND (SELECT value::int - 1 FROM house WHERE name = 'partitions')",
    ),
    (
        "messages have a number that the sequence has yet to give",
        "SELECT count(*) FROM (SELECT id FROM messages UNION ALL SELECT id FROM queue UNION ALL SELECT id FROM dead_letters) given
         WHERE id > (SELECT last_value FROM message_order)",
    ),
];

/// Everything that does not fit, in words; empty when all is well, or when the house was never set up in this database.
pub(crate) async fn look(client: &Client) -> Result<Vec<String>, Trouble> {
    let failed = || Trouble::postgres("whether the queue is consistent");
    let is_house = client
        .query_one("SELECT to_regclass('public.house') IS NOT NULL", &[])
        .await
        .map_err(failed())?;
    if !is_house.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let mut findings = Vec::new();
    for (wrong, question) in QUESTIONS {
        let row = client.query_one(question, &[]).await.map_err(failed())?;
        let count: i64 = row.get(0);
        if count > 0 {
            findings.push(format!("{count} {wrong}"));
        }
    }
    Ok(findings)
}
