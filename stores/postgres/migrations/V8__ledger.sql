-- Who holds an old snapshot is told by name, and Postgres names other users' sessions only to those who may read its statistics.
-- Where the one who migrates may not grant that, the age is still measured for sessions of our own user.
do $$
begin
    grant pg_read_all_stats to sallyport_workers;
exception when insufficient_privilege then
    raise notice 'pg_read_all_stats could not be granted to sallyport_workers: old snapshots of other users will not be named';
end
$$;

-- The auditor asks which days have rows that still wait for their partition.
grant select on messages_default, endings_default to sallyport_workers;
