WITH due AS MATERIALIZED (
    SELECT partition, priority, id FROM queue
    WHERE state = 1 AND ready_at <= statement_timestamp() AND partition = ANY ($1::int2[])
    ORDER BY ready_at
    LIMIT 1000
    FOR UPDATE SKIP LOCKED
)
UPDATE queue q
SET state = 0
FROM due
WHERE q.state = 1 AND q.partition = due.partition AND q.priority = due.priority AND q.id = due.id
RETURNING q.partition, q.id
