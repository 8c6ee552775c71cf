SELECT pid, name, usename, state, age FROM (
    SELECT pid, coalesce(application_name, '') AS name, coalesce(usename::text, '') AS usename,
           coalesce(state, backend_type, '') AS state, age(backend_xmin) AS xids,
           extract(epoch FROM clock_timestamp() - coalesce(xact_start, query_start, backend_start))::float8 AS age
    FROM pg_stat_activity
    WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
      AND (datname = current_database() OR backend_type = 'walsender')
    UNION ALL
    SELECT 0, gid, coalesce(owner::text, ''), 'prepared transaction', age(transaction),
           extract(epoch FROM clock_timestamp() - prepared)::float8
    FROM pg_prepared_xacts
    UNION ALL
    SELECT coalesce(active_pid, 0), slot_name, '', 'replication slot',
           greatest(age(xmin), age(catalog_xmin)), NULL::float8
    FROM pg_replication_slots
    WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL
) AS holders
ORDER BY xids DESC, age DESC NULLS LAST
LIMIT 1
