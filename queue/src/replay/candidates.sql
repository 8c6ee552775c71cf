WITH walked AS MATERIALIZED (
    SOURCE
),
chosen AS (
    SELECT w.*, coalesce(e.outcome, CASE WHEN d.id IS NOT NULL THEN 'dead' END) AS outcome,
           coalesce(e.error_kind, d.error_kind) AS error_kind, coalesce(e.ended_at, d.died_at) AS ended_at,
           coalesce(d.replayed_as, r.new_id) AS replayed_as, q.id IS NOT NULL AS waits
    FROM walked w
    LEFT JOIN LATERAL (
        SELECT outcome, error_kind, ended_at FROM endings e
        WHERE e.message_id = w.id ORDER BY ended_at DESC LIMIT 1
    ) AS e ON true
    LEFT JOIN dead_letters d ON d.id = w.id
    LEFT JOIN LATERAL (SELECT max(new_id) AS new_id FROM replayed r WHERE r.old_id = w.id) AS r ON true
    LEFT JOIN LATERAL (
        SELECT * FROM (
            (SELECT q.id FROM queue q
             WHERE q.state <> 1 AND q.partition = w.partition AND q.priority = w.priority AND q.id = w.id)
            UNION ALL
            (SELECT q.id FROM queue q
             WHERE q.state = 1 AND q.partition = w.partition AND q.priority = w.priority AND q.id = w.id)
        ) AS either
        LIMIT 1
    ) AS q ON true
    WHERE ($7::timestamptz IS NULL OR w.accepted_at >= $7)
      AND ($8::timestamptz IS NULL OR w.accepted_at <= $8)
      AND ($9::text IS NULL OR w.kind = $9)
      AND ($10::text IS NULL OR w.bot = $10)
      AND ($11::text IS NULL OR w.tenant = $11)
      AND ($12::text IS NULL OR coalesce(e.error_kind, d.error_kind) = $12)
      AND ($13::text IS NULL OR coalesce(e.outcome, CASE WHEN d.id IS NOT NULL THEN 'dead' END) = $13)
)
SELECT s.last, s.walked, c.*
FROM (SELECT max(id) AS last, count(*) AS walked FROM walked) AS s
LEFT JOIN chosen c ON true
-- Every source uses some of these; naming them all gives each its type.
WHERE $1::date IS NULL OR $2::int8 >= 0 OR $3::int8 >= 0 OR $4::int8 >= 0 OR $5::date[] IS NULL OR $6::int8[] IS NULL
ORDER BY c.id
