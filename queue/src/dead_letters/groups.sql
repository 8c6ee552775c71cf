SELECT g.kind, g.error_kind, g.count, g.people, g.first_at, g.last_at, g.newest, d.trace, d.error_text AS newest_text
FROM (
    SELECT kind, error_kind, count(*) AS count, count(DISTINCT subject) AS people,
           min(died_at) AS first_at, max(died_at) AS last_at, max(id) AS newest
    FROM dead_letters WHERE replayed_at IS NULL
    GROUP BY kind, error_kind
    ORDER BY count(*) DESC, max(id) DESC
    LIMIT $1
) AS g
JOIN dead_letters d ON d.id = g.newest
ORDER BY g.count DESC, g.newest DESC
