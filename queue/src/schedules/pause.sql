WITH paused AS (
    UPDATE crons SET paused_at = coalesce(paused_at, statement_timestamp()), paused_by = $2, paused_why = $3
    WHERE name = $1
    RETURNING name
)
INSERT INTO desk_log (who, what, target, why) SELECT $2, 'pause schedule', name, $3 FROM paused
