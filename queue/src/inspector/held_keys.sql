SELECT h.key, h.head, h.until, a.error_kind, a.error_text,
       (SELECT count(*) FROM (
           SELECT FROM queue q
           WHERE q.state = 2 AND q.partition = h.partition AND q.key = h.key AND q.id <> h.head
           LIMIT 10000
       ) AS behind) AS waiting
FROM held_keys h
LEFT JOIN LATERAL (
    SELECT error_kind, error_text FROM attempts WHERE message_id = h.head ORDER BY ended_at DESC LIMIT 1
) AS a ON true
ORDER BY h.until NULLS LAST, h.key
LIMIT 100
