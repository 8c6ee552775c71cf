SELECT id, day, kind, bot, source, delivery_id, trace, trace_id, accepted_at, cause
    FROM messages
    WHERE cause IS NULL AND ($1::text IS NULL OR kind = $1) AND ($4::timestamptz IS NULL OR accepted_at >= $4)
    ORDER BY day DESC, id DESC
    LIMIT 20000
