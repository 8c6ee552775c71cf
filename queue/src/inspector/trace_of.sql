WITH RECURSIVE known AS (
    SELECT max(day) AS day FROM messages
    UNION ALL
    SELECT (SELECT max(m.day) FROM messages m WHERE m.day < k.day) FROM known k WHERE k.day IS NOT NULL
)
SELECT trace FROM messages WHERE day = ANY (ARRAY(SELECT day FROM known WHERE day IS NOT NULL)) AND id = $1
UNION ALL
SELECT trace FROM dead_letters WHERE id = $1
LIMIT 1
