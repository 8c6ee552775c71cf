WITH named AS (
    SELECT id, partition, priority FROM messages WHERE day = ANY ($1) AND id = $2
),
hurried AS (
    UPDATE queue q SET ready_at = statement_timestamp()
    FROM named n
    WHERE q.state = 1 AND q.partition = n.partition AND q.priority = n.priority AND q.id = n.id
      -- What was set aside waits for a person or a place, not for a time.
      AND NOT EXISTS (SELECT FROM waiting w WHERE w.message_id = n.id)
    RETURNING q.id, q.partition
),
noted AS (
    INSERT INTO desk_log (who, what, target, why) SELECT $3, 'retry', id::text, $4 FROM hurried
)
SELECT partition FROM hurried
