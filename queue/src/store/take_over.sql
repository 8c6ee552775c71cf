WITH mine AS MATERIALIZED (
    UPDATE leases l
    SET counted = l.token
    FROM unnest($1::int2[], $2::int8[]) AS given (partition, token)
    WHERE l.partition = given.partition AND l.token = given.token AND l.owner = $3
    RETURNING l.partition, l.token
),
begun AS MATERIALIZED (
    SELECT DISTINCT ON (u.id) u.partition, u.priority, u.id, c.id AS claim, c.alone, c.worker, c.claimed_at
    FROM claims c
    CROSS JOIN LATERAL unnest(c.partitions, c.tokens, c.priorities, c.ids) AS u (partition, token, priority, id)
    JOIN mine ON mine.partition = u.partition AND u.token < mine.token
    WHERE u.id <> ALL (c.released)
    ORDER BY u.id, c.id DESC
),
kinds AS MATERIALIZED (
    SELECT * FROM unnest($4::text[], $5::bool[], $6::int2[]) AS k (kind, sends, crowd_max)
),
counted AS (
    UPDATE queue q
    -- In a crowd only up to a bound, and never back; alone it counts on.
    SET attempts = greatest(q.attempts, least(
            q.attempts::int4 + 1,
            CASE WHEN b.alone THEN 32767
                 ELSE coalesce((SELECT k.crowd_max FROM kinds k WHERE k.kind = q.kind), $7::int2) END
        ))::int2,
        interrupted = true, counted_claim = b.claim,
        -- Where others of its key are behind, it is the first of them: whoever looks there finds all of them, in order.
        state = CASE WHEN EXISTS (
            SELECT FROM queue f WHERE f.state = 2 AND f.partition = q.partition AND f.key = q.key
        ) THEN 2 ELSE q.state END
    FROM begun b
    WHERE q.state <> 1 AND q.partition = b.partition AND q.priority = b.priority AND q.id = b.id
      AND q.counted_claim < b.claim
    RETURNING q.id, q.day, q.attempts, b.claim, b.alone, b.worker, b.claimed_at,
              coalesce((SELECT k.sends FROM kinds k WHERE k.kind = q.kind), false) AS is_send
),
noted AS (
    INSERT INTO attempts (message_id, day, attempt, outcome, error_kind, error_text, started_at, worker, claim)
    SELECT id, day, attempts, 'interrupted', 'interrupted',
           CASE WHEN alone THEN 'the worker was lost while this message ran alone' ELSE 'the worker was lost' END,
           claimed_at, worker, claim
    FROM counted
),
marked AS (
    INSERT INTO ambiguous (message_id, attempt, reason)
    SELECT id, attempts, 'the worker was lost while it may have been sending' FROM counted WHERE is_send
)
SELECT id, is_send, alone FROM counted ORDER BY id
