WITH given AS MATERIALIZED (
    SELECT * FROM unnest($1::int8[], $2::int2[], $3::int8[], $4::text[], $5::int4[])
    AS g (id, partition, token, room, at_once)
    ORDER BY partition, id
),
fenced AS MATERIALIZED (
    SELECT g.* FROM given g
    CROSS JOIN LATERAL (
        SELECT FROM leases l WHERE l.partition = g.partition AND l.token = g.token AND l.owner = $6
        FOR SHARE
    ) AS still_mine
),
taken AS (
    INSERT INTO slots (room, message_id, partition, token, at_once)
    SELECT room, id, partition, token, at_once FROM fenced WHERE at_once IS NOT NULL
    ON CONFLICT (room, message_id) DO UPDATE SET token = excluded.token, at_once = excluded.at_once
),
no_longer AS (
    DELETE FROM waiting w USING fenced f WHERE w.message_id = f.id
)
SELECT DISTINCT id FROM fenced
