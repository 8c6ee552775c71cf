SELECT id, bot, tenant, source, delivery_id, kind, key, partition, priority, subject, cause, trace,
       length(payload)::int8 AS payload_bytes, accepted_at, expires_at
FROM messages
WHERE trace_id = $1
ORDER BY id
LIMIT $2
