INSERT INTO schedules (name, due_at, every_seconds, bot, tenant, source, kind, kind_version, key, partition, priority,
                       payload, payload_format, subject, cause, trace, expires_seconds)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (name) DO UPDATE
SET due_at = excluded.due_at, every_seconds = excluded.every_seconds, bot = excluded.bot, tenant = excluded.tenant,
    source = excluded.source, kind = excluded.kind, kind_version = excluded.kind_version, key = excluded.key,
    partition = excluded.partition, priority = excluded.priority, payload = excluded.payload,
    payload_format = excluded.payload_format, subject = excluded.subject, cause = excluded.cause,
    trace = excluded.trace, expires_seconds = excluded.expires_seconds
