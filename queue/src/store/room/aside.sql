WITH given AS MATERIALIZED (
    SELECT * FROM unnest($1::int8[], $2::int2[], $3::int2[], $4::int8[], $5::int8[], $6::text[], $7::text[], $8::int4[],
                         $9::float8[])
    AS g (id, partition, priority, token, claim, key, room, at_once, wait)
    ORDER BY partition, id
),
fenced AS MATERIALIZED (
    SELECT g.* FROM given g
    CROSS JOIN LATERAL (
        SELECT FROM leases l WHERE l.partition = g.partition AND l.token = g.token AND l.owner = $10
        FOR SHARE
    ) AS still_mine
),
aside AS (
    UPDATE queue q
    SET state = 1, ready_at = statement_timestamp() + f.wait * interval '1 second', counted_claim = f.claim
    FROM fenced f
    WHERE q.state <> 1 AND q.partition = f.partition AND q.priority = f.priority AND q.id = f.id
    RETURNING f.*
),
noted AS (
    INSERT INTO waiting (message_id, partition, priority, room, at_once, due_at)
    SELECT id, partition, priority, room, at_once, statement_timestamp() + wait * interval '1 second' FROM aside
    ON CONFLICT (message_id) DO UPDATE
    SET room = excluded.room, at_once = excluded.at_once, due_at = excluded.due_at
),
without_a_place AS (
    DELETE FROM slots s USING aside a WHERE s.message_id = a.id
),
held AS (
    INSERT INTO held_keys (partition, key, head, until)
    SELECT partition, key, id, NULL FROM aside
    ON CONFLICT (partition, key) DO UPDATE SET head = excluded.head, until = excluded.until
)
SELECT id FROM aside
UNION
SELECT f.id FROM fenced f JOIN waiting w ON w.message_id = f.id AND w.room = f.room
