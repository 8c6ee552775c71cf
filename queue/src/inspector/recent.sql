SELECT m.id, m.kind, m.bot, m.source, m.delivery_id, m.trace, m.accepted_at, t.outcome, t.ended_at
FROM (
    FIRST_ONES
) AS m
LEFT JOIN LATERAL (
    -- A dead letter that was replayed stands for nothing any more, nor does what its death caused.
    SELECT CASE WHEN count(*) = count(e.outcome) THEN (
               array_agg(e.outcome ORDER BY array_position('{dead,cancelled,expired,erased}'::text[], e.outcome), o.id)
               FILTER (WHERE own.id IS NULL AND above.id IS NULL)
           )[1] END AS outcome,
           CASE WHEN count(*) = count(e.outcome) THEN max(e.ended_at) END AS ended_at
    FROM messages o
    LEFT JOIN endings e ON e.day = o.day AND e.message_id = o.id
    LEFT JOIN dead_letters own ON own.id = o.id AND own.replayed_as IS NOT NULL
    LEFT JOIN dead_letters above ON above.id = o.cause AND above.replayed_as <> o.id
    WHERE o.day >= m.day AND o.trace_id = m.trace_id
) AS t ON true
WHERE m.cause IS NULL
  AND ($1::text IS NULL OR m.kind = $1)
  AND ($2::text IS NULL OR t.outcome = $2)
  AND ($3::float8 IS NULL OR extract(epoch FROM t.ended_at - m.accepted_at) >= $3)
  AND ($4::timestamptz IS NULL OR m.accepted_at >= $4)
ORDER BY m.day DESC, m.id DESC
LIMIT $5
