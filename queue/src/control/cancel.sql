WITH found AS (
    (SELECT partition FROM queue
     WHERE state <> 1 AND partition = ANY ($2::int2[]) AND priority IN (0, 1, 2) AND id = $1)
    UNION ALL
    (SELECT partition FROM queue
     WHERE state = 1 AND partition = ANY ($2::int2[]) AND priority IN (0, 1, 2) AND id = $1)
)
INSERT INTO cancellations (message_id, partition, asked_by, reason)
SELECT $1, partition, $3, $4 FROM found LIMIT 1
ON CONFLICT (message_id) DO NOTHING
