SELECT q.kind, count(*) AS count
FROM (
    SELECT DISTINCT u.partition, u.priority, u.id
    FROM claims c
    CROSS JOIN LATERAL unnest(c.partitions, c.tokens, c.priorities, c.ids) AS u (partition, token, priority, id)
    JOIN leases l ON l.partition = u.partition AND l.token = u.token AND l.owner = c.worker
    WHERE u.id <> ALL (c.released)
) AS r
JOIN queue q ON q.state <> 1 AND q.partition = r.partition AND q.priority = r.priority AND q.id = r.id
GROUP BY q.kind
