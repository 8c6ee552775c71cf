UPDATE crons
SET due_at = $2, last_due_at = coalesce($3, last_due_at), last_message = coalesce($4, last_message), fired = fired + $5
WHERE name = $1
