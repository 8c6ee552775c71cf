SELECT d.id, NULL::date AS day, d.bot, d.tenant, d.source, d.kind, d.kind_version, d.key, NULL::int2 AS partition,
           d.priority, d.subject, d.accepted_at, d.trace, length(d.payload)::int8 AS payload_bytes
    FROM dead_letters d
    WHERE d.id > $2 AND d.id <= $3
      AND (d.accepted_at AT TIME ZONE 'utc')::date < (SELECT min(day) FROM unnest($5::date[]) AS known (day))
      AND NOT EXISTS (SELECT FROM messages m WHERE m.day = ANY ($5::date[]) AND m.id = d.id)
    ORDER BY d.id
    LIMIT $4
