WITH given AS MATERIALIZED (
    SELECT * FROM unnest($1::int2[], $2::text[], $3::int8[]) AS g (partition, key, head)
),
lifted AS (
    DELETE FROM held_keys h USING given g
    WHERE h.partition = g.partition AND h.key = g.key AND h.head = g.head
),
-- Whoever owns the partition next must not hold the key for the same head again.
delayed AS (
    UPDATE queue q SET stepped_over = true
    FROM given g
    WHERE q.state = 1 AND q.partition = g.partition AND q.priority IN (0, 1, 2) AND q.id = g.head
)
UPDATE queue q SET stepped_over = true
FROM given g
WHERE q.state <> 1 AND q.partition = g.partition AND q.priority IN (0, 1, 2) AND q.id = g.head
