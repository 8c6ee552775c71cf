WITH unfinished AS MATERIALIZED (
    SELECT partition, priority, state, id FROM queue WHERE day = $1::date LIMIT $3 FOR UPDATE
),
carried AS (
    UPDATE messages m SET day = $2::date FROM unfinished u WHERE m.day = $1::date AND m.id = u.id
),
tried AS (
    UPDATE attempts a SET day = $2::date FROM unfinished u WHERE a.day = $1::date AND a.message_id = u.id
)
UPDATE queue q SET day = $2::date
FROM unfinished u
WHERE q.partition = u.partition AND q.priority = u.priority AND q.id = u.id AND q.state = u.state
