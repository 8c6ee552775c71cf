SELECT r.id, r.day, r.kind, r.bot, r.source, r.delivery_id, r.trace, r.trace_id, r.accepted_at, r.cause
    FROM (
        SELECT DISTINCT h.trace_id
        FROM (
            SELECT day, message_id FROM endings
            WHERE outcome = $2 AND outcome <> 'done'
            ORDER BY outcome DESC, ended_at DESC
            LIMIT 5000
        ) AS e
        JOIN messages h ON h.day = e.day AND h.id = e.message_id
    ) AS t
    JOIN messages r ON r.trace_id = t.trace_id AND r.cause IS NULL
