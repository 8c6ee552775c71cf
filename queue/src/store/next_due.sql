SELECT greatest(0, extract(epoch FROM ready_at - statement_timestamp()))::float8
FROM queue
WHERE state = 1 AND partition = ANY ($1::int2[])
ORDER BY ready_at
LIMIT 1
