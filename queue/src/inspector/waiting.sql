SELECT kind,
       count(*) FILTER (WHERE state = 0) AS ready,
       count(*) FILTER (WHERE state = 1) AS delayed,
       extract(epoch FROM statement_timestamp() - min(ready_at) FILTER (WHERE state = 0))::float8 AS oldest
FROM queue
GROUP BY kind
