SELECT m.id, m.kind, m.bot, m.source, m.delivery_id, m.trace, m.accepted_at, e.outcome, e.ended_at
FROM messages m
LEFT JOIN LATERAL (
    SELECT outcome, ended_at FROM endings e WHERE e.message_id = m.id ORDER BY ended_at DESC LIMIT 1
) AS e ON true
WHERE m.cause IS NULL
  AND ($1::text IS NULL OR m.kind = $1)
  AND ($2::text IS NULL OR e.outcome = $2)
  AND ($3::float8 IS NULL OR extract(epoch FROM e.ended_at - m.accepted_at) >= $3)
  AND ($4::timestamptz IS NULL OR m.accepted_at >= $4)
ORDER BY m.day DESC, m.id DESC
LIMIT $5
