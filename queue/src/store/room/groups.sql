SELECT g.room, clock_timestamp() AS now,
       (SELECT count(*) FROM slots s WHERE s.room = g.room) AS taken,
       ARRAY(SELECT s.message_id FROM slots s WHERE s.room = g.room AND s.message_id = ANY ($2::int8[])) AS has,
       r.tokens, extract(epoch FROM clock_timestamp() - r.at)::float8 AS since,
       ARRAY(
           SELECT w.message_id FROM waiting w
           WHERE w.room = g.room AND w.at_once IS NOT NULL AND w.message_id <> ALL ($2::int8[])
           ORDER BY w.message_id LIMIT 64
       ) AS waiters,
       ARRAY(
           SELECT w.message_id FROM waiting w
           WHERE w.room = g.room AND w.at_once IS NULL AND w.due_at > statement_timestamp() - interval '2 seconds'
           ORDER BY w.message_id LIMIT 1000
       ) AS in_line
FROM unnest($1::text[]) AS g (room)
LEFT JOIN rates r ON r.room = g.room
