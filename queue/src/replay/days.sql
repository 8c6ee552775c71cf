WITH RECURSIVE known AS (
    SELECT max(day) AS day FROM messages
    UNION ALL
    SELECT (SELECT max(m.day) FROM messages m WHERE m.day < k.day) FROM known k WHERE k.day IS NOT NULL
)
SELECT day FROM known WHERE day IS NOT NULL ORDER BY day
