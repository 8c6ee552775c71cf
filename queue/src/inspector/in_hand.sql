SELECT DISTINCT ON (u.id) u.id, c.worker, c.claimed_at, q.attempts
FROM claims c
CROSS JOIN LATERAL unnest(c.partitions, c.tokens, c.priorities, c.ids) AS u (partition, token, priority, id)
JOIN queue q ON q.state <> 1 AND q.partition = u.partition AND q.priority = u.priority AND q.id = u.id
            AND q.counted_claim < c.id
WHERE c.ids && $1::int8[] AND u.id = ANY ($1::int8[]) AND u.id <> ALL (c.released)
ORDER BY u.id, c.id DESC
