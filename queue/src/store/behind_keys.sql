-- The keys that have messages behind, from one key to the next along the index, a page of each partition.
SELECT p.partition, w.key, w.id
FROM unnest($1::int2[], $2::text[]) AS p (partition, after)
CROSS JOIN LATERAL (
    WITH RECURSIVE walk AS (
        (SELECT q.key, q.id FROM queue q
         WHERE q.state = 2 AND q.partition = p.partition AND q.key > p.after
         ORDER BY q.partition, q.key, q.id LIMIT 1)
        UNION ALL
        (SELECT next.key, next.id FROM walk
         CROSS JOIN LATERAL (
             SELECT q.key, q.id FROM queue q
             WHERE q.state = 2 AND q.partition = p.partition AND q.key > walk.key
             ORDER BY q.partition, q.key, q.id LIMIT 1
         ) AS next)
    )
    SELECT * FROM walk LIMIT $3
) AS w
