SELECT partition, key, head,
       CASE WHEN until IS NOT NULL
            THEN greatest(0, extract(epoch FROM until - statement_timestamp()))::float8 END AS remaining
FROM held_keys
WHERE partition = ANY ($1::int2[])
ORDER BY partition, key
