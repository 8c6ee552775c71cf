WITH picked AS MATERIALIZED (
    SELECT p.partition, p.token, found.*
    FROM unnest($1::int2[], $2::int8[], $3::int4[], $4::int8[]) AS p (partition, token, messages_max, lowest)
    CROSS JOIN LATERAL (
        SELECT * FROM (
            (SELECT q.priority, q.id, q.day, q.attempts, q.interrupted, q.ready_at FROM queue q
             WHERE q.state = 0 AND q.partition = p.partition AND q.priority = 0 AND q.id >= p.lowest
               AND q.id NOT IN (SELECT unnest($9::int8[]))
               AND (q.key NOT IN (SELECT unnest($7::text[])) OR q.id IN (SELECT unnest($8::int8[])))
             ORDER BY q.partition, q.priority, q.id LIMIT p.messages_max)
            UNION ALL
            (SELECT q.priority, q.id, q.day, q.attempts, q.interrupted, q.ready_at FROM queue q
             WHERE q.state = 0 AND q.partition = p.partition AND q.priority = 1 AND q.id >= p.lowest
               AND q.id NOT IN (SELECT unnest($9::int8[]))
               AND (q.key NOT IN (SELECT unnest($7::text[])) OR q.id IN (SELECT unnest($8::int8[])))
             ORDER BY q.partition, q.priority, q.id LIMIT p.messages_max)
            UNION ALL
            (SELECT q.priority, q.id, q.day, q.attempts, q.interrupted, q.ready_at FROM queue q
             WHERE q.state = 0 AND q.partition = p.partition AND q.priority = 2 AND q.id >= p.lowest
               AND q.id NOT IN (SELECT unnest($9::int8[]))
               AND (q.key NOT IN (SELECT unnest($7::text[])) OR q.id IN (SELECT unnest($8::int8[])))
             ORDER BY q.partition, q.priority, q.id LIMIT p.messages_max)
        ) AS by_urgency
        LIMIT p.messages_max
    ) AS found
    ORDER BY found.priority, found.id
    LIMIT $6
),
fenced AS MATERIALIZED (
    SELECT picked.* FROM picked
    CROSS JOIN LATERAL (
        SELECT FROM leases l
        WHERE l.partition = picked.partition AND l.token = picked.token AND l.owner = $5
        FOR SHARE
    ) AS still_mine
),
finished AS (
    DELETE FROM claims WHERE id = ANY ($10::int8[])
),
taken AS (
    INSERT INTO claims (worker, partitions, tokens, priorities, ids)
    SELECT $5, array_agg(partition), array_agg(token), array_agg(priority), array_agg(id)
    FROM fenced HAVING count(*) > 0
    RETURNING id
)
SELECT fenced.id, fenced.day, fenced.partition, fenced.token, fenced.priority, fenced.attempts, fenced.interrupted,
       fenced.ready_at, greatest(0, extract(epoch FROM statement_timestamp() - fenced.ready_at))::float8 AS waited,
       taken.id AS claim, m.bot, m.tenant, m.source, m.delivery_id, m.kind, m.kind_version, m.key, m.payload,
       m.payload_format, m.subject, m.cause, m.trace, m.edge_spans, m.accepted_at, m.expires_at
FROM fenced
CROSS JOIN taken
JOIN messages m ON m.day = fenced.day AND m.id = fenced.id
ORDER BY fenced.priority, fenced.id
