WITH gone AS (
    DELETE FROM queue WHERE state = 1 AND partition = $1 AND priority = $2 AND id = $3
    RETURNING id, day
)
INSERT INTO endings (message_id, day, outcome, attempt, error_kind, error_text, started_at, ended_at, worker, claim)
SELECT id, day, 'cancelled', 0, 'replaced', 'message ' || $4::int8 || ' of the same unique name took its place',
       statement_timestamp(), statement_timestamp(), 'unique', 0
FROM gone
