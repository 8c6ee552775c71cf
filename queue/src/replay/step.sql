UPDATE replays
SET day = $2, last_id = $3, looked_at = looked_at + $4, replayed = replayed + $5, refused = refused + $6,
    next_at = statement_timestamp() + $7 * interval '1 second',
    state = CASE WHEN $8 THEN 'done' ELSE state END,
    ended_at = CASE WHEN $8 THEN statement_timestamp() END
WHERE id = $1
