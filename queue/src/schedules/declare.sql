INSERT INTO crons (name, declared_by, cron, zone, missed, missed_max, due_at, bot, tenant, kind, kind_version, key,
                   priority, payload, payload_format, subject, expires_seconds)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (name) DO UPDATE
SET due_at = CASE WHEN crons.cron = excluded.cron AND crons.zone = excluded.zone THEN crons.due_at ELSE excluded.due_at END,
    declared_by = excluded.declared_by, cron = excluded.cron, zone = excluded.zone, missed = excluded.missed,
    missed_max = excluded.missed_max, bot = excluded.bot, tenant = excluded.tenant, kind = excluded.kind,
    kind_version = excluded.kind_version, key = excluded.key, priority = excluded.priority, payload = excluded.payload,
    payload_format = excluded.payload_format, subject = excluded.subject, expires_seconds = excluded.expires_seconds
