SELECT day FROM (
    SELECT to_date(substring(c.relname FROM '\d{8}$'), 'YYYYMMDD') AS day
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent IN ('messages'::regclass, 'endings'::regclass) AND c.relname ~ '_\d{8}$'
    UNION
    SELECT day FROM messages_default
    UNION
    SELECT day FROM endings_default
) AS days
WHERE day <= (now() AT TIME ZONE 'utc')::date
ORDER BY day
