WITH walked AS MATERIALIZED (
    SELECT message_id AS id FROM endings WHERE day = $1 AND message_id > $2 ORDER BY message_id LIMIT $3
)
SELECT (SELECT count(*) FROM walked) AS rows,
       (SELECT max(id) FROM walked) AS last,
       ARRAY(
           SELECT DISTINCT w.id FROM walked w
           WHERE NOT EXISTS (SELECT FROM messages m WHERE m.day = $1 AND m.id = w.id)
       ) AS found
