WITH walked AS MATERIALIZED (
    SELECT id, source, delivery_id FROM messages WHERE day = $1::date AND id > $2 ORDER BY id LIMIT $3
),
gone AS (
    DELETE FROM deliveries d USING walked w
    WHERE d.source = w.source AND d.delivery_id = w.delivery_id AND d.message_id = w.id
    RETURNING 1
)
SELECT (SELECT max(id) FROM walked) AS last, (SELECT count(*) FROM gone) AS forgotten
