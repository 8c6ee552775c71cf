WITH mine AS MATERIALIZED (
    UPDATE leases l
    SET counted = l.token
    FROM unnest($1::int2[], $2::int8[]) AS given (partition, token)
    WHERE l.partition = given.partition AND l.token = given.token AND l.owner = $3
    RETURNING l.partition, l.token
),
begun AS MATERIALIZED (
    SELECT DISTINCT ON (u.id) u.partition, u.priority, u.id, c.id AS claim, c.worker, c.claimed_at
    FROM claims c
    CROSS JOIN LATERAL unnest(c.partitions, c.tokens, c.priorities, c.ids) AS u (partition, token, priority, id)
    JOIN mine ON mine.partition = u.partition AND u.token < mine.token
    WHERE u.id <> ALL (c.released)
    ORDER BY u.id, c.id DESC
),
counted AS (
    UPDATE queue q
    SET attempts = least(q.attempts + 1, 32767)::int2, interrupted = true, counted_claim = b.claim,
        -- Where others of its key are behind, it is the first of them: whoever looks there finds all of them, in order.
        state = CASE WHEN EXISTS (
            SELECT FROM queue f WHERE f.state = 2 AND f.partition = q.partition AND f.key = q.key
        ) THEN 2 ELSE q.state END
    FROM begun b
    WHERE q.state <> 1 AND q.partition = b.partition AND q.priority = b.priority AND q.id = b.id
      AND q.counted_claim < b.claim
    RETURNING q.id, q.day, q.attempts, q.kind, b.claim, b.worker, b.claimed_at
),
noted AS (
    INSERT INTO attempts (message_id, day, attempt, outcome, error_kind, error_text, started_at, worker, claim)
    SELECT id, day, attempts, 'interrupted', 'interrupted', 'the worker was lost', claimed_at, worker, claim
    FROM counted
),
marked AS (
    INSERT INTO ambiguous (message_id, attempt, reason)
    SELECT id, attempts, 'the worker was lost while it may have been sending' FROM counted WHERE kind = ANY ($4::text[])
)
SELECT id, kind = ANY ($4::text[]) AS is_send FROM counted ORDER BY id
