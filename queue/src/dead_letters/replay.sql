WITH mine AS MATERIALIZED (
    SELECT d.*, given.partition
    FROM unnest($1::int8[], $2::int2[]) WITH ORDINALITY AS given (id, partition, place)
    JOIN dead_letters d ON d.id = given.id AND d.replayed_at IS NULL
    ORDER BY given.place
    FOR UPDATE OF d
),
numbered AS MATERIALIZED (
    SELECT mine.*, nextval('message_order') AS new_id FROM mine
),
marked AS (
    UPDATE dead_letters d SET replayed_at = statement_timestamp(), replayed_as = n.new_id
    FROM numbered n WHERE d.id = n.id
),
logged AS (
    INSERT INTO messages (id, day, bot, tenant, source, delivery_id, kind, kind_version, key, partition, priority,
                          payload, payload_format, encryption_key, subject, cause, trace, trace_id, accepted_at)
    SELECT new_id, (statement_timestamp() AT TIME ZONE 'utc')::date, bot, tenant, source, delivery_id, kind,
           kind_version, key, partition, priority, payload, payload_format, encryption_key, subject, id, trace,
           substring(trace FROM 1 FOR 16), statement_timestamp()
    FROM numbered
),
noted AS (
    INSERT INTO desk_log (who, what, target, why)
    SELECT $3::text, 'retry', id::text, $4::text FROM numbered WHERE $3::text IS NOT NULL
),
queued AS (
    INSERT INTO queue (id, day, partition, priority, lane, kind, key)
    SELECT new_id, (statement_timestamp() AT TIME ZONE 'utc')::date, partition, priority, queue_lane(tenant), kind, key
    FROM numbered
)
SELECT id AS old_id, new_id FROM numbered ORDER BY new_id
