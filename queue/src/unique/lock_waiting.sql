SELECT q.day,
       greatest(0, extract(epoch FROM q.ready_at - statement_timestamp()))::float8 AS remaining,
       (SELECT greatest(0, extract(epoch FROM statement_timestamp() - u.first_at))::float8
        FROM unique_messages u WHERE u.bot = $4 AND u.name = $5) AS since_first
FROM queue q
WHERE q.state = 1 AND q.partition = $1 AND q.priority = $2 AND q.id = $3
  -- Begun once is begun: what waits for its next attempt is no longer a message that nobody has seen.
  AND q.attempts = 0 AND q.counted_claim = 0 AND NOT q.interrupted
FOR UPDATE OF q
