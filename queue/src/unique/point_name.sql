UPDATE unique_messages
SET message_id = $3, partition = $4, priority = $5,
    first_at = CASE WHEN $6 THEN first_at ELSE statement_timestamp() END,
    behind = CASE WHEN $6 THEN behind ELSE nullif(message_id, 0) END,
    behind_partition = CASE WHEN $6 THEN behind_partition ELSE partition END,
    behind_priority = CASE WHEN $6 THEN behind_priority ELSE priority END
WHERE bot = $1 AND name = $2
