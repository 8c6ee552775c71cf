SELECT (SELECT count(*) FROM held_keys) AS held_keys,
       (SELECT count(*) FROM leases)::int2 AS partitions_total,
       (SELECT count(*) FROM leases WHERE owner IS NOT NULL)::int2 AS partitions_owned
