SELECT w.message_id, w.room, w.at_once, w.since,
       (SELECT count(*) FROM waiting o WHERE o.room = w.room AND o.message_id < w.message_id) AS before
FROM waiting w
JOIN queue q ON q.state = 1 AND q.partition = w.partition AND q.priority = w.priority AND q.id = w.message_id
WHERE w.message_id = ANY ($1)
ORDER BY w.message_id
