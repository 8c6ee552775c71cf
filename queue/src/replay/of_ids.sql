SELECT * FROM (
        SELECT id, day, bot, tenant, source, kind, kind_version, key, partition, priority, subject, accepted_at, trace,
               length(payload)::int8 AS payload_bytes
        FROM messages
        WHERE day = ANY ($5::date[]) AND id = ANY ($6::int8[])
        UNION ALL
        SELECT d.id, NULL::date, d.bot, d.tenant, d.source, d.kind, d.kind_version, d.key, NULL::int2, d.priority,
               d.subject, d.accepted_at, d.trace, length(d.payload)::int8
        FROM dead_letters d
        WHERE d.id = ANY ($6::int8[])
          AND NOT EXISTS (SELECT FROM messages m WHERE m.day = ANY ($5::date[]) AND m.id = d.id)
    ) AS named
    WHERE id > $2 AND id <= $3
    ORDER BY id
    LIMIT $4
