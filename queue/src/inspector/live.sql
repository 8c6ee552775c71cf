WITH walked AS MATERIALIZED (
    SELECT q.id, q.day, q.partition, q.priority, q.state, q.attempts, q.ready_at, q.kind, q.key
    FROM queue q
    WHERE STATE AND (q.partition, q.priority, q.id) > ($1::int2, $2::int2, $3::int8)
      AND ($4::int2 IS NULL OR q.partition = $4)
    ORDER BY q.partition, q.priority, q.id
    LIMIT $5
),
fitting AS MATERIALIZED (
    SELECT * FROM walked
    WHERE ($6::text IS NULL OR kind = $6) AND ($7::text IS NULL OR key = $7)
),
told AS (
    SELECT f.*, m.bot, m.tenant, m.accepted_at, m.trace, a.error_kind, a.error_text, h.head
    FROM fitting f
    CROSS JOIN LATERAL (SELECT m.bot, m.tenant, m.accepted_at, m.trace FROM messages m WHERE m.day = f.day AND m.id = f.id LIMIT 1) AS m
    LEFT JOIN LATERAL (
        SELECT error_kind, error_text FROM attempts t WHERE t.message_id = f.id ORDER BY ended_at DESC LIMIT 1
    ) AS a ON f.attempts > 0 OR f.state = 1
    LEFT JOIN held_keys h ON h.partition = f.partition AND h.key = f.key AND h.head <> f.id
                         AND coalesce(h.until > statement_timestamp(), true)
)
SELECT s.walked, s.partition AS last_partition, s.priority AS last_priority, s.id AS last_id, t.*
FROM (
    SELECT (SELECT count(*) FROM walked) AS walked, l.*
    FROM (SELECT 1) AS one
    LEFT JOIN (SELECT partition, priority, id FROM walked ORDER BY partition DESC, priority DESC, id DESC LIMIT 1) AS l ON true
) AS s
LEFT JOIN (
    SELECT * FROM told
    WHERE ($8::text IS NULL OR bot = $8) AND ($9::text IS NULL OR tenant = $9)
      AND ($10::text IS NULL OR error_kind = $10) AND ($11::timestamptz IS NULL OR accepted_at <= $11)
) AS t ON true
ORDER BY t.partition, t.priority, t.id
