SELECT trace_id
FROM (
    SELECT trace_id, min(id) AS id FROM messages WHERE trace_id BETWEEN $1 AND $2 GROUP BY trace_id
    UNION
    SELECT substring(trace FROM 1 FOR 16), id FROM dead_letters WHERE substring(trace FROM 1 FOR 16) BETWEEN $1 AND $2
) AS found
GROUP BY trace_id
ORDER BY min(id)
LIMIT $3
