WITH due AS MATERIALIZED (
    SELECT * FROM schedules
    WHERE due_at <= statement_timestamp()
    ORDER BY due_at, id
    LIMIT $1
    FOR UPDATE
),
numbered AS MATERIALIZED (
    SELECT due.*, nextval('message_order') AS message_id FROM due
),
done AS (
    DELETE FROM schedules s USING numbered n WHERE s.id = n.id AND n.every_seconds IS NULL
),
moved AS (
    -- The next time that lies ahead: what was missed meanwhile is not made up for.
    UPDATE schedules s
    SET due_at = n.due_at + interval '1 second' * n.every_seconds
        * (1 + floor(extract(epoch FROM statement_timestamp() - n.due_at) / n.every_seconds))
    FROM numbered n WHERE s.id = n.id AND n.every_seconds IS NOT NULL
),
logged AS (
    INSERT INTO messages (id, day, bot, tenant, source, kind, kind_version, key, partition, priority, payload,
                          payload_format, subject, cause, trace, trace_id, accepted_at, expires_at)
    SELECT message_id, (statement_timestamp() AT TIME ZONE 'utc')::date, bot, tenant, source, kind, kind_version, key,
           partition, priority, payload, payload_format, subject, cause, trace, substring(trace FROM 1 FOR 16),
           statement_timestamp(), statement_timestamp() + expires_seconds * interval '1 second'
    FROM numbered
),
queued AS (
    INSERT INTO queue (id, day, partition, priority, lane, kind, key)
    SELECT message_id, (statement_timestamp() AT TIME ZONE 'utc')::date, partition, priority, queue_lane(tenant), kind, key
    FROM numbered
)
SELECT message_id, partition FROM numbered ORDER BY message_id
