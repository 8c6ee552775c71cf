INSERT INTO unique_messages (bot, name, message_id, partition, priority)
VALUES ($1, $2, 0, 0, 0)
ON CONFLICT (bot, name) DO UPDATE SET touched_at = statement_timestamp()
RETURNING message_id, partition, priority
