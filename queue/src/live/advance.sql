-- Only who leads may say how far it has come. Losing this in a crash costs a repetition, so it does not wait for the disk.
WITH unhurried AS (SELECT set_config('synchronous_commit', 'off', true))
UPDATE live_publisher
SET done = $3::text::pg_snapshot, upto = $4::text::pg_snapshot, after_xid = $5::text::xid8, after_source = $6,
    after_id = $7, published = $8, until = now() + $2::float8 * interval '1 second'
FROM unhurried
WHERE holder = $1
