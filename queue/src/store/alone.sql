-- A claim of its own for a message that is in hand already. The claim that it came with lets go of it; so does one that was
-- made for it before and whose answer got lost.
WITH mine AS MATERIALIZED (
    SELECT FROM leases l WHERE l.partition = $1 AND l.token = $2 AND l.owner = $3 FOR SHARE
),
moved AS (
    UPDATE claims c SET released = c.released || $6::int8
    WHERE EXISTS (SELECT FROM mine) AND (c.id = $4 OR c.alone AND c.worker = $3 AND c.ids = ARRAY[$6::int8])
)
INSERT INTO claims (worker, partitions, tokens, priorities, ids, alone)
SELECT $3, ARRAY[$1::int2], ARRAY[$2::int8], ARRAY[$5::int2], ARRAY[$6::int8], true FROM mine
RETURNING id
