-- Estimated from some of the table's pages: however many wait, this costs the same. The oldest are looked for where they
-- must be, at the front of each partition and urgency.
WITH share AS MATERIALIZED (
    SELECT least(100, 100.0 * $1::int8 / greatest(1, pg_relation_size('queue') / current_setting('block_size')::int8)) AS percent
),
sampled AS (
    SELECT kind, count(*) FILTER (WHERE state <> 1) AS ready, count(*) FILTER (WHERE state = 1) AS delayed,
           min(ready_at) FILTER (WHERE state <> 1) AS oldest
    FROM queue TABLESAMPLE SYSTEM ((SELECT percent FROM share)) GROUP BY kind
),
fronts AS (
    SELECT f.kind, min(f.ready_at) AS oldest
    FROM generate_series(0, 255) AS p (partition)
    CROSS JOIN generate_series(0, 2) AS u (priority)
    CROSS JOIN LATERAL (
        SELECT q.kind, q.ready_at FROM queue q
        WHERE q.state <> 1 AND q.partition = p.partition AND q.priority = u.priority
        ORDER BY q.partition, q.priority, q.id LIMIT 1
    ) AS f
    GROUP BY f.kind
)
SELECT kind,
       round(coalesce(s.ready, 0) * 100 / share.percent)::int8 AS ready,
       round(coalesce(s.delayed, 0) * 100 / share.percent)::int8 AS delayed,
       extract(epoch FROM statement_timestamp() - least(s.oldest, f.oldest))::float8 AS oldest
FROM sampled s FULL JOIN fronts f USING (kind) CROSS JOIN share
