-- What is visible in the snapshot $2 and was not in $1, behind ($3, $4, $5), in the order of (xid, source, id), $6 rows.
-- It was either under way then ("late"), or had not begun. Source 0 are endings, source 1 other news.
WITH found AS (
    (SELECT e.xid, 0::smallint AS source, e.message_id AS id, e.day, e.outcome, e.attempt, e.error_kind, e.started_at,
            e.ended_at AS at, NULL::text AS name, NULL::text AS trace, NULL::text AS data
     FROM endings e
     WHERE e.xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot)))
       AND (e.xid, 0, e.message_id) > ($3::text::xid8, $4::smallint, $5::bigint)
       AND pg_visible_in_snapshot(e.xid, $2::text::pg_snapshot)
     ORDER BY e.xid, e.message_id LIMIT $6)
    UNION ALL
    (SELECT e.xid, 0::smallint, e.message_id, e.day, e.outcome, e.attempt, e.error_kind, e.started_at, e.ended_at,
            NULL, NULL, NULL
     FROM endings e
     WHERE e.xid >= greatest(pg_snapshot_xmax($1::text::pg_snapshot), $3::text::xid8)
       AND e.xid < pg_snapshot_xmax($2::text::pg_snapshot)
       AND (e.xid, 0, e.message_id) > ($3::text::xid8, $4::smallint, $5::bigint)
       AND pg_visible_in_snapshot(e.xid, $2::text::pg_snapshot)
     ORDER BY e.xid, e.message_id LIMIT $6)
    UNION ALL
    (SELECT n.xid, 1::smallint, n.id, NULL, NULL, NULL, NULL, NULL, n.at, n.name, n.trace, n.data
     FROM live_news n
     WHERE n.xid >= greatest(pg_snapshot_xmin($1::text::pg_snapshot), $3::text::xid8)
       AND n.xid < pg_snapshot_xmax($2::text::pg_snapshot)
       AND NOT pg_visible_in_snapshot(n.xid, $1::text::pg_snapshot)
       AND (n.xid, 1, n.id) > ($3::text::xid8, $4::smallint, $5::bigint)
       AND pg_visible_in_snapshot(n.xid, $2::text::pg_snapshot)
     ORDER BY n.xid, n.id LIMIT $6)
),
paged AS MATERIALIZED (SELECT * FROM found ORDER BY xid, source, id LIMIT $6)
SELECT p.xid::text AS xid, p.source, p.id,
       coalesce(p.name, 'message.ended') AS name,
       coalesce(p.trace, encode(m.trace_id, 'hex'), '') AS trace,
       to_jsonb(p.at) #>> '{}' AS at,
       coalesce(p.data, json_build_object(
           'message', p.id, 'kind', m.kind, 'bot', m.bot, 'tenant', m.tenant, 'outcome', p.outcome,
           'attempt', p.attempt, 'error', p.error_kind,
           'accepted_at', m.accepted_at, 'started_at', p.started_at, 'ended_at', p.at)::text) AS data
FROM paged p
LEFT JOIN messages m ON p.source = 0 AND m.day = p.day AND m.id = p.id
ORDER BY p.xid, p.source, p.id
