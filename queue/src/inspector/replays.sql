SELECT id, replayed_as
FROM dead_letters
WHERE id = ANY ($1::int8[] || $2::int8[]) AND replayed_as IS NOT NULL
