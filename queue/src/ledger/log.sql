WITH walked AS MATERIALIZED (
    SELECT id, partition, priority FROM messages WHERE day = $1 AND id > $2 ORDER BY id LIMIT $3
)
SELECT (SELECT count(*) FROM walked) AS rows,
       (SELECT max(id) FROM walked) AS last,
       ARRAY(
           SELECT w.id FROM walked w
           WHERE NOT EXISTS (SELECT FROM endings e WHERE e.day = $1 AND e.message_id = w.id)
             AND NOT EXISTS (
                 SELECT FROM queue q
                 WHERE q.state <> 1 AND q.partition = w.partition AND q.priority = w.priority AND q.id = w.id
             )
             AND NOT EXISTS (
                 SELECT FROM queue q
                 WHERE q.state = 1 AND q.partition = w.partition AND q.priority = w.priority AND q.id = w.id
             )
       ) AS found
