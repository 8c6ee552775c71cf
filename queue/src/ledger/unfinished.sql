WITH walked AS MATERIALIZED (
    SELECT id, day FROM queue WHERE state <> 1 AND partition = $1
    UNION ALL
    SELECT id, day FROM queue WHERE state = 1 AND partition = $1
)
SELECT (SELECT count(*) FROM walked) AS rows,
       ARRAY(
           SELECT w.id FROM walked w
           WHERE NOT EXISTS (SELECT FROM messages m WHERE m.day = w.day AND m.id = w.id)
       ) AS found
