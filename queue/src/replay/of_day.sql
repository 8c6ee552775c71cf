SELECT id, day, bot, tenant, source, kind, kind_version, key, partition, priority, subject, accepted_at, trace,
           length(payload)::int8 AS payload_bytes
    FROM messages
    WHERE day = $1::date AND id > $2 AND id <= $3
    ORDER BY id
    LIMIT $4
