DELETE FROM claims c
WHERE NOT EXISTS (
    SELECT FROM unnest(c.partitions, c.tokens) AS u (partition, token)
    JOIN leases l ON l.partition = u.partition
    WHERE u.token >= l.counted
)
