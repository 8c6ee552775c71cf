-- Counted one by one, as long as there are few; whoever asks for the first $1 learns from the sum whether those are all.
SELECT kind,
       count(*) FILTER (WHERE state <> 1) AS ready,
       count(*) FILTER (WHERE state = 1) AS delayed,
       extract(epoch FROM statement_timestamp() - min(ready_at) FILTER (WHERE state <> 1))::float8 AS oldest
FROM (
    (SELECT kind, state, ready_at FROM queue WHERE state <> 1 ORDER BY partition, priority, id LIMIT $1)
    UNION ALL
    (SELECT kind, state, ready_at FROM queue WHERE state = 1 ORDER BY partition, priority, id LIMIT $1)
) AS first_ones
GROUP BY kind
