-- What is asked: some messages of a partition and an urgency, lane by lane from where the last claim stopped.
WITH asked AS MATERIALIZED (
    SELECT p.*,
           -- Rows without a lane come from an older program: strictly by number then, or a key would lose its order.
           EXISTS (
               SELECT FROM queue q
               WHERE q.state = 0 AND q.partition = p.partition AND q.priority = p.priority AND q.lane = 0
           ) AS by_number
    FROM unnest($1::int2[], $2::int8[], $3::int2[], $4::int4[], $5::int8[], $6::int2[], $7::int2[], $8::bool[], $9::bool[])
        AS p (partition, token, priority, messages_max, lowest, lane_from, lane_to, wraps, watched)
),
found AS MATERIALIZED (
    SELECT a.partition, a.token, a.priority, f.*,
           -- An earlier message of its key is behind: it must not overtake that.
           a.watched AND EXISTS (
               SELECT FROM queue b
               WHERE b.state = 2 AND b.partition = a.partition AND b.key = f.key AND b.id < f.id
           ) AS overtakes
    FROM asked a
    CROSS JOIN LATERAL (
        SELECT * FROM (
            (SELECT q.id, q.day, q.lane, q.key, q.attempts, q.interrupted, q.stepped_over, q.ready_at FROM queue q
             WHERE q.state = 0 AND q.partition = a.partition AND q.priority = a.priority
               AND q.lane >= a.lane_from AND q.lane <= a.lane_to AND q.id >= a.lowest
               AND NOT a.by_number AND q.id NOT IN (SELECT unnest($12::int8[]))
             ORDER BY q.partition, q.priority, q.lane, q.id LIMIT a.messages_max)
            UNION ALL
            (SELECT q.id, q.day, q.lane, q.key, q.attempts, q.interrupted, q.stepped_over, q.ready_at FROM queue q
             WHERE q.state = 0 AND q.partition = a.partition AND q.priority = a.priority
               AND q.lane < a.lane_from AND q.id >= a.lowest
               AND a.wraps AND NOT a.by_number AND q.id NOT IN (SELECT unnest($12::int8[]))
             ORDER BY q.partition, q.priority, q.lane, q.id LIMIT a.messages_max)
            UNION ALL
            (SELECT q.id, q.day, q.lane, q.key, q.attempts, q.interrupted, q.stepped_over, q.ready_at FROM queue q
             WHERE q.state = 0 AND q.partition = a.partition AND q.priority = a.priority AND q.id >= a.lowest
               AND a.wraps AND a.by_number AND q.id NOT IN (SELECT unnest($12::int8[]))
             ORDER BY q.partition, q.priority, q.id LIMIT a.messages_max)
        ) AS by_turns
        LIMIT a.messages_max
    ) AS f
),
-- The oldest behind of keys that may go on.
looked AS MATERIALIZED (
    SELECT b.partition, b.token, f.*
    FROM unnest($13::int2[], $14::int8[], $15::text[], $16::int4[], $17::int8[]) AS b (partition, token, key, messages_max, alone)
    CROSS JOIN LATERAL (
        SELECT q.priority, q.id, q.day, q.lane, q.key, q.attempts, q.interrupted, q.stepped_over, q.ready_at FROM queue q
        WHERE q.state = 2 AND q.partition = b.partition AND q.key = b.key AND (b.alone IS NULL OR q.id = b.alone)
          AND q.id NOT IN (SELECT unnest($12::int8[]))
        ORDER BY q.partition, q.key, q.id LIMIT b.messages_max
    ) AS f
),
picked AS MATERIALIZED (
    SELECT partition, token, priority, id, day, lane, key, attempts, interrupted, stepped_over, ready_at,
           CASE WHEN overtakes THEN 1 ELSE 0 END AS standing
    FROM found
    UNION ALL
    SELECT partition, token, priority, id, day, lane, key, attempts, interrupted, stepped_over, ready_at, 2
    FROM looked
),
mine AS MATERIALIZED (
    SELECT given.partition
    FROM (SELECT DISTINCT partition, token FROM picked) AS given
    CROSS JOIN LATERAL (
        SELECT FROM leases l WHERE l.partition = given.partition AND l.token = given.token AND l.owner = $10
        FOR SHARE
    ) AS still_mine
),
fenced AS MATERIALIZED (
    -- Hashed once; without IS TRUE it would be a join, in a loop over every partition for every message.
    SELECT * FROM picked WHERE partition IN (SELECT partition FROM mine) IS TRUE
),
behind AS (
    UPDATE queue q SET state = 2
    FROM fenced f
    WHERE f.standing = 1 AND q.state = 0 AND q.partition = f.partition AND q.priority = f.priority AND q.id = f.id
),
finished AS (
    DELETE FROM claims WHERE id = ANY ($11::int8[])
),
taken AS (
    INSERT INTO claims (worker, partitions, tokens, priorities, ids)
    SELECT $10, array_agg(partition), array_agg(token), array_agg(priority), array_agg(id)
    FROM fenced WHERE standing <> 1 HAVING count(*) > 0
    RETURNING id
)
SELECT f.id, f.day, f.partition, f.token, f.priority, f.lane, f.key, f.attempts, f.interrupted, f.stepped_over, f.standing,
       f.ready_at, greatest(0, date_part('epoch', statement_timestamp() - f.ready_at)) AS waited,
       taken.id AS claim, m.bot, m.tenant, m.source, m.delivery_id, m.kind, m.kind_version, m.payload,
       m.payload_format, m.subject, m.cause, m.trace, m.edge_spans, m.accepted_at, m.expires_at
FROM fenced f
LEFT JOIN taken ON f.standing <> 1
LEFT JOIN messages m ON m.day = f.day AND m.id = CASE WHEN f.standing <> 1 THEN f.id END
ORDER BY f.priority, f.id
