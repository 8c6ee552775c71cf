WITH free AS MATERIALIZED (
    SELECT message_id, partition, priority FROM waiting
    WHERE room = $1 AND partition = ANY ($2::int2[])
    ORDER BY message_id
    LIMIT $3
),
no_longer AS (
    DELETE FROM waiting w USING free f WHERE w.message_id = f.message_id
),
ready AS (
    UPDATE queue q SET state = 0, ready_at = statement_timestamp()
    FROM free f
    WHERE q.state = 1 AND q.partition = f.partition AND q.priority = f.priority AND q.id = f.message_id
)
SELECT message_id, partition FROM free
