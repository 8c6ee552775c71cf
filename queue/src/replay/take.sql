SELECT id, filter, forced, per_second, day, last_id, until_id
FROM replays
WHERE state = 'running' AND next_at <= statement_timestamp()
ORDER BY next_at
LIMIT 1
FOR UPDATE SKIP LOCKED
