SELECT q.id, q.state, q.ready_at,
       EXISTS (
           SELECT FROM held_keys h
           WHERE h.partition = q.partition AND h.key = q.key AND h.head <> q.id
             AND coalesce(h.until > statement_timestamp(), true)
       ) AS is_held
FROM unnest($1::int2[], $2::int2[], $3::int8[]) AS asked (partition, priority, id)
CROSS JOIN LATERAL (
    SELECT * FROM queue w
    WHERE w.state <> 1 AND w.partition = asked.partition AND w.priority = asked.priority AND w.id = asked.id
    UNION ALL
    SELECT * FROM queue d
    WHERE d.state = 1 AND d.partition = asked.partition AND d.priority = asked.priority AND d.id = asked.id
) AS q
