SELECT w.id, w.started_at, w.leaving, (SELECT count(*) FROM leases l WHERE l.owner = w.id)::int2 AS partitions
FROM workers w
ORDER BY w.id
LIMIT 500
