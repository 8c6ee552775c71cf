WITH walked AS MATERIALIZED (
    SELECT message_id, day, outcome, ended_at, attempt, error_kind, error_text
    FROM endings
    WHERE outcome = $1 AND outcome <> 'done' AND (ended_at, message_id) < ($2::timestamptz, $3::int8)
    ORDER BY outcome DESC, ended_at DESC, message_id DESC
    LIMIT $4
),
told AS (
    SELECT w.*, m.kind, m.key, m.bot, m.tenant, m.accepted_at, m.trace
    FROM walked w
    CROSS JOIN LATERAL (
        SELECT kind, key, bot, tenant, accepted_at, trace FROM messages m WHERE m.day = w.day AND m.id = w.message_id LIMIT 1
    ) AS m
    WHERE ($9::text IS NULL OR w.error_kind = $9)
)
SELECT s.walked, s.ended_at AS last_ended_at, s.message_id AS last_id, t.*
FROM (
    SELECT (SELECT count(*) FROM walked) AS walked, l.*
    FROM (SELECT 1) AS one
    LEFT JOIN (SELECT ended_at, message_id FROM walked ORDER BY ended_at, message_id LIMIT 1) AS l ON true
) AS s
LEFT JOIN (
    SELECT * FROM told
    WHERE ($5::text IS NULL OR kind = $5) AND ($6::text IS NULL OR key = $6)
      AND ($7::text IS NULL OR bot = $7) AND ($8::text IS NULL OR tenant = $8)
      AND ($10::timestamptz IS NULL OR accepted_at <= $10)
) AS t ON true
ORDER BY t.ended_at DESC, t.message_id DESC
