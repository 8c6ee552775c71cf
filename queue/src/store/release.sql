-- Gives messages back uncounted. Those that have to wait for an earlier one of their key go behind: because the worker says
-- so, or because others of their key are behind already and whoever comes next must find them all in one place, in order.
WITH given AS MATERIALIZED (
    SELECT * FROM unnest($1::int8[], $2::int8[], $3::int2[], $4::int2[], $5::int8[], $6::bool[])
        AS g (claim, id, partition, priority, token, behind)
),
mine AS MATERIALIZED (
    SELECT owned.partition, owned.token
    FROM (SELECT DISTINCT partition, token FROM given ORDER BY partition) AS owned
    CROSS JOIN LATERAL (
        SELECT FROM leases l WHERE l.partition = owned.partition AND l.token = owned.token AND l.owner = $7
        FOR SHARE
    ) AS still_mine
),
behind AS (
    UPDATE queue q SET state = 2
    FROM given g
    WHERE (g.partition, g.token) IN (SELECT partition, token FROM mine) IS TRUE
      AND q.state = 0 AND q.partition = g.partition AND q.priority = g.priority AND q.id = g.id
      AND (g.behind OR EXISTS (
          SELECT FROM queue b WHERE b.state = 2 AND b.partition = q.partition AND b.key = q.key
      ))
)
UPDATE claims c
SET released = c.released || r.ids
FROM (SELECT claim, array_agg(id) AS ids FROM given GROUP BY claim) AS r
WHERE c.id = r.claim
