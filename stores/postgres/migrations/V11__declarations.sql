-- Which release declared a set of schedules last, and when a worker of that release was last there: an older release that
-- starts meanwhile changes nothing of it, and takes over when the newer one has been silent for a while.
create table cron_sets (
    declared_by  text primary key,
    release      bigint not null,
    seen_at      timestamptz not null default clock_timestamp()
);

-- The janitor forgets what nobody asks for any more.
grant select, delete on unique_messages, replayed, rates, replays to sallyport_janitor;
