SELECT q.id, q.state, q.ready_at,
       EXISTS (
           SELECT FROM held_keys h
           WHERE h.partition = q.partition AND h.key = q.key AND h.head <> q.id
             AND coalesce(h.until > statement_timestamp(), true)
       ) AS is_held
FROM unnest($1::int2[], $2::int2[], $3::int8[]) AS asked (partition, priority, id)
JOIN queue q ON q.partition = asked.partition AND q.priority = asked.priority AND q.id = asked.id AND q.state IN (0, 1)
