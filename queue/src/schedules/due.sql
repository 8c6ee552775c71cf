SELECT *, statement_timestamp() AS now
FROM crons
WHERE due_at <= statement_timestamp() AND paused_at IS NULL
ORDER BY due_at
LIMIT $1
FOR UPDATE
