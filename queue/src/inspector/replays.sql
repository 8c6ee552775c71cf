SELECT id, replayed_as
FROM dead_letters
WHERE id = ANY ($1::int8[] || $2::int8[]) AND replayed_as IS NOT NULL
UNION
SELECT old_id, new_id
FROM replayed
WHERE old_id = ANY ($1::int8[] || $2::int8[])
