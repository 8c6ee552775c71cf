WITH ready AS (
    SELECT q.id, q.key, q.attempts, NULL::timestamptz AS delayed_until
    FROM queue q
    WHERE MAY_RUN AND q.partition = $1 AND q.priority = $2 AND q.id < $3
    ORDER BY q.partition DESC, q.priority DESC, q.id DESC
    LIMIT $5
),
delayed AS (
    SELECT q.id, q.key, q.attempts, q.ready_at AS delayed_until
    FROM queue q
    JOIN held_keys h ON h.partition = q.partition AND h.key = q.key AND h.head = q.id
                    AND coalesce(h.until > statement_timestamp(), true)
    WHERE q.state = 1 AND q.partition = $1 AND q.priority = $2 AND q.id < $3 AND q.key = $4
),
either AS (
    SELECT * FROM delayed
    UNION ALL
    SELECT * FROM ready WHERE key = $4
)
SELECT e.id, e.attempts, e.delayed_until, a.error_text
FROM either e
LEFT JOIN LATERAL (
    SELECT error_text FROM attempts t WHERE t.message_id = e.id ORDER BY ended_at DESC LIMIT 1
) AS a ON true
ORDER BY e.delayed_until IS NULL, e.id DESC
LIMIT 1
