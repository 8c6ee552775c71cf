-- The live bus: everything that ends, and other news, on its way to Redis.

-- An ending knows the transaction that wrote it, so that it can be published without a second row per message. The column
-- may be empty and gets its default afterwards: nothing is rewritten, what ended before is not published, and an older
-- release fills it without knowing. Days that are made later copy it from their parent.
alter table endings add column xid xid8;
alter table endings alter column xid set default pg_current_xact_id();
create index endings_xid on endings (xid) where xid is not null;

-- What happened besides: a pause, a change of settings, something that a cache must forget.
create table live_news (
    id     bigint generated always as identity primary key,
    xid    xid8 not null default pg_current_xact_id(),
    name   text not null,
    trace  text not null default '',
    data   text not null default '{}',
    at     timestamptz not null default clock_timestamp()
);
create index live_news_xid on live_news (xid, id);
create index live_news_at on live_news using brin (at);

-- How far the live bus has come, and who publishes. `done` is a snapshot of which everything visible is published, `upto`
-- one that is being worked through, in the order of (xid, source, id), and `after_*` the last of it. `published` counts.
create table live_publisher (
    one           boolean primary key default true check (one),
    holder        text,
    until         timestamptz not null default '-infinity',
    done          pg_snapshot not null default pg_current_snapshot(),
    upto          pg_snapshot,
    after_xid     xid8 not null default '0',
    after_source  smallint not null default 0,
    after_id      bigint not null default 0,
    published     bigint not null default 0
) with (fillfactor = 20, autovacuum_vacuum_threshold = 200);
insert into live_publisher default values;

grant select, delete on live_news to sallyport_janitor;
