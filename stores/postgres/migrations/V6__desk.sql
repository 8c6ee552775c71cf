-- What engineers and apps do at the desk: unique messages, schedules by the calendar, replays.
--
-- Nothing here is read or written by a message that uses none of it. The tables are new, so a worker of the release
-- before does not see them and disturbs none of them.

-- Which message of a name waits. The row of a name is its lock; whether its message still waits is what that message's
-- own row in `queue` says. A newer message of the name may run only when the one that it is behind is gone.
create table unique_messages (
    bot               text not null,
    name              text not null,
    message_id        bigint not null,
    partition         smallint not null,
    priority          smallint not null,
    first_at          timestamptz not null default clock_timestamp(),
    behind            bigint,
    behind_partition  smallint,
    behind_priority   smallint,
    touched_at        timestamptz not null default clock_timestamp(),
    primary key (bot, name)
) with (fillfactor = 50, autovacuum_vacuum_threshold = 200);
create index unique_messages_message on unique_messages (message_id);

-- What becomes a message again and again by the calendar of a place. Only Postgres's clock is compared with `due_at`,
-- and it moves in the transaction that puts the message on the queue.
create table crons (
    name             text primary key,
    declared_by      text not null,
    cron             text not null,
    zone             text not null,
    missed           text not null check (missed in ('once', 'skip', 'all')),
    missed_max       smallint not null default 1,
    due_at           timestamptz not null,
    last_due_at      timestamptz,
    last_message     bigint,
    fired            bigint not null default 0,
    paused_at        timestamptz,
    paused_by        text,
    paused_why       text,
    bot              text not null,
    tenant           text not null,
    kind             text not null,
    kind_version     smallint not null,
    key              text not null,
    priority         smallint not null,
    payload          bytea not null,
    payload_format   smallint not null,
    subject          text,
    expires_seconds  double precision
);
create index crons_due on crons (due_at) where paused_at is null;

-- Replays: what was asked for, by whom and why, how far it is. A row is the record of what was done, and is never deleted.
create table replays (
    id            bigint generated always as identity primary key,
    asked_at      timestamptz not null default clock_timestamp(),
    asked_by      text not null,
    why           text not null,
    filter        jsonb not null,
    forced        boolean not null,
    per_second    smallint not null check (per_second between 1 and 1000),
    state         text not null default 'running' check (state in ('running', 'done', 'cancelled')),
    next_at       timestamptz not null default clock_timestamp(),
    -- How far it is: first the dead letters whose day is gone (no day), then the days of the log.
    day           date,
    last_id       bigint not null default 0,
    until_id      bigint not null,
    looked_at     bigint not null default 0,
    replayed      bigint not null default 0,
    refused       bigint not null default 0,
    ended_at      timestamptz,
    ended_by      text
);
create index replays_running on replays (next_at) where state = 'running';

-- Which message is a replay of which.
create table replayed (
    old_id  bigint not null,
    new_id  bigint not null,
    replay  bigint,
    at      timestamptz not null default clock_timestamp(),
    primary key (old_id, new_id)
);
create index replayed_new on replayed (new_id);
create index replayed_at on replayed using brin (at);

-- What somebody changed by hand: who, what, why.
create table desk_log (
    id      bigint generated always as identity primary key,
    at      timestamptz not null default clock_timestamp(),
    who     text not null,
    what    text not null,
    target  text not null,
    why     text not null
);

-- The endings that somebody looks for; most messages end well and are not in it.
create index endings_notable on endings (outcome, ended_at) where outcome <> 'done';
