WITH asked AS MATERIALIZED (
    SELECT * FROM unnest($1::int8[], $2::int2[], $3::int8[], $4::text[]) AS a (id, partition, token, reason)
    ORDER BY partition, id
),
fenced AS MATERIALIZED (
    SELECT a.* FROM asked a
    CROSS JOIN LATERAL (
        SELECT FROM leases l WHERE l.partition = a.partition AND l.token = a.token AND l.owner = $5
        FOR SHARE
    ) AS still_mine
),
gone_ready AS (
    DELETE FROM queue q USING fenced f
    WHERE q.state <> 1 AND q.partition = f.partition AND q.priority IN (0, 1, 2) AND q.id = f.id
    RETURNING q.id, q.day, q.partition, q.key, q.kind, q.attempts, f.reason
),
gone_delayed AS (
    DELETE FROM queue q USING fenced f
    WHERE q.state = 1 AND q.partition = f.partition AND q.priority IN (0, 1, 2) AND q.id = f.id
    RETURNING q.id, q.day, q.partition, q.key, q.kind, q.attempts, f.reason
),
gone AS MATERIALIZED (
    SELECT * FROM gone_ready UNION ALL SELECT * FROM gone_delayed
),
ended AS (
    INSERT INTO endings (message_id, day, outcome, attempt, error_text, started_at, worker, claim)
    SELECT id, day, 'cancelled', attempts, reason, statement_timestamp(), $5, 0 FROM gone
),
unheld AS (
    DELETE FROM held_keys h USING gone g WHERE h.partition = g.partition AND h.key = g.key AND h.head = g.id
),
no_longer AS (
    DELETE FROM waiting w USING gone g WHERE w.message_id = g.id
),
without_a_place AS (
    DELETE FROM slots s USING gone g WHERE s.message_id = g.id
),
obeyed AS (
    DELETE FROM cancellations c USING fenced f WHERE c.message_id = f.id
)
SELECT id, key, kind FROM gone
