UPDATE claims c
SET released = c.released || r.ids
FROM (
    SELECT claim, array_agg(id) AS ids
    FROM unnest($1::int8[], $2::int8[]) AS given (claim, id)
    GROUP BY claim
) AS r
WHERE c.id = r.claim
