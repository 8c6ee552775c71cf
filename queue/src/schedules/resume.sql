WITH resumed AS (
    UPDATE crons SET paused_at = NULL, paused_by = NULL, paused_why = NULL,
                     due_at = CASE WHEN paused_at IS NULL THEN due_at ELSE $2 END
    WHERE name = $1
    RETURNING name
)
INSERT INTO desk_log (who, what, target, why) SELECT $3, 'resume schedule', name, $4 FROM resumed
