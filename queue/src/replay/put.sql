WITH given AS (
    SELECT * FROM unnest($1::int8[], $2::date[], $3::int2[]) WITH ORDINALITY AS g (id, day, partition, place)
),
source AS MATERIALIZED (
    SELECT g.place, g.partition, m.id, m.bot, m.tenant, m.source, m.delivery_id, m.kind, m.kind_version, m.key, m.priority,
           m.payload, m.payload_format, m.encryption_key, m.subject, m.trace
    FROM given g JOIN messages m ON m.day = g.day AND m.id = g.id
    UNION ALL
    SELECT g.place, g.partition, d.id, d.bot, d.tenant, d.source, d.delivery_id, d.kind, d.kind_version, d.key, d.priority,
           d.payload, d.payload_format, d.encryption_key, d.subject, d.trace
    FROM given g JOIN dead_letters d ON g.day IS NULL AND d.id = g.id
),
numbered AS MATERIALIZED (
    SELECT s.*, nextval('message_order') AS new_id
    FROM (
        SELECT * FROM source
        WHERE $5 OR NOT EXISTS (SELECT FROM dead_letters d WHERE d.id = source.id AND d.replayed_at IS NOT NULL)
        ORDER BY place
    ) AS s
),
marked AS (
    UPDATE dead_letters d SET replayed_at = statement_timestamp(), replayed_as = n.new_id
    FROM numbered n WHERE d.id = n.id
),
noted AS (
    INSERT INTO replayed (old_id, new_id, replay) SELECT id, new_id, $4::int8 FROM numbered
),
logged AS (
    INSERT INTO messages (id, day, bot, tenant, source, delivery_id, kind, kind_version, key, partition, priority,
                          payload, payload_format, encryption_key, subject, cause, trace, trace_id, accepted_at)
    SELECT new_id, (statement_timestamp() AT TIME ZONE 'utc')::date, bot, tenant, source, delivery_id, kind,
           kind_version, key, partition, priority, payload, payload_format, encryption_key, subject, id, trace,
           substring(trace FROM 1 FOR 16), statement_timestamp()
    FROM numbered
),
queued AS (
    INSERT INTO queue (id, day, partition, priority, lane, kind, key)
    SELECT new_id, (statement_timestamp() AT TIME ZONE 'utc')::date, partition, priority, queue_lane(tenant), kind, key
    FROM numbered
)
SELECT id AS old_id, new_id, partition FROM numbered ORDER BY new_id
