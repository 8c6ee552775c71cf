-- $1 who asks, $2 seconds of a lease. A lease that ends far in the future is one of a clock that was set back.
-- Losing this in a crash costs a repetition, so it does not wait for the disk.
WITH unhurried AS (SELECT set_config('synchronous_commit', 'off', true))
UPDATE live_publisher
SET holder = $1, until = now() + $2::float8 * interval '1 second'
FROM unhurried
WHERE holder = $1 OR until < now() OR until > now() + $2::float8 * interval '2 seconds'
RETURNING done::text, upto::text, after_xid::text, after_source, after_id, published,
          pg_snapshot_xmax(done) > pg_snapshot_xmax(pg_current_snapshot()) AS is_of_another_history,
          pg_current_snapshot()::text AS now
