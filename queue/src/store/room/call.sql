WITH called AS MATERIALIZED (
    SELECT c.room, w.message_id, w.partition, w.priority, w.at_once
    FROM unnest($1::text[], $2::int8[]) AS c (room, id)
    JOIN waiting w ON w.message_id = c.id AND w.room = c.room
),
no_longer AS (
    DELETE FROM waiting w USING called c WHERE w.message_id = c.message_id
),
due AS (
    UPDATE queue q SET ready_at = statement_timestamp()
    FROM called c
    WHERE q.state = 1 AND q.partition = c.partition AND q.priority = c.priority AND q.id = c.message_id
    RETURNING c.room, c.message_id, c.partition, c.at_once
)
INSERT INTO slots (room, message_id, partition, token, at_once)
SELECT d.room, d.message_id, d.partition, l.token, d.at_once FROM due d JOIN leases l ON l.partition = d.partition
ON CONFLICT (room, message_id) DO NOTHING
RETURNING partition
