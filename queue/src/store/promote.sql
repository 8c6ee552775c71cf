WITH due AS MATERIALIZED (
    SELECT partition, priority, id FROM queue
    WHERE state = 1 AND ready_at <= statement_timestamp() AND partition = ANY ($1::int2[])
    ORDER BY ready_at
    LIMIT 1000
    FOR UPDATE SKIP LOCKED
),
-- A unique message runs only when the one of its name that was there before is gone; until then it is looked at again.
behind AS MATERIALIZED (
    SELECT due.id
    FROM due
    CROSS JOIN LATERAL (SELECT * FROM unique_messages u WHERE u.message_id = due.id AND u.behind IS NOT NULL LIMIT 1) AS u
    CROSS JOIN LATERAL (
        SELECT * FROM (
            (SELECT q.id FROM queue q
             WHERE q.state <> 1 AND q.partition = u.behind_partition AND q.priority = u.behind_priority AND q.id = u.behind)
            UNION ALL
            (SELECT q.id FROM queue q
             WHERE q.state = 1 AND q.partition = u.behind_partition AND q.priority = u.behind_priority AND q.id = u.behind)
        ) AS either
        LIMIT 1
    ) AS before
)
UPDATE queue q
SET state = CASE WHEN b.id IS NULL THEN 0 ELSE 1 END,
    ready_at = CASE WHEN b.id IS NULL THEN q.ready_at ELSE statement_timestamp() + interval '250 milliseconds' END
FROM due LEFT JOIN behind b ON b.id = due.id
WHERE q.state = 1 AND q.partition = due.partition AND q.priority = due.priority AND q.id = due.id
RETURNING q.partition, q.id, q.state
