-- Steering what waits and runs: pauses, cancellations, room for what is limited, progress.
--
-- Small tables beside the queue: a message that uses none of this touches none of them. Workers of the release before
-- see messages that are set aside as delayed ones.

-- What is paused, by whom and why. The empty kind means everything.
create table pauses (
    kind        text primary key,
    paused_at   timestamptz not null default clock_timestamp(),
    paused_by   text not null,
    reason      text not null
);

-- Orders to end a message. Only the owner of its partition carries one out, and removes it.
create table cancellations (
    message_id  bigint primary key,
    partition   smallint not null,
    asked_at    timestamptz not null default clock_timestamp(),
    asked_by    text not null,
    reason      text not null
);

-- Messages that were set aside because they may not start now: delayed in the queue, with what they wait for. `at_once` is
-- the bound of a group that may be full; none where time or a person decides.
create table waiting (
    message_id  bigint primary key,
    partition   smallint not null,
    priority    smallint not null,
    room        text not null,
    at_once     integer,
    due_at      timestamptz not null,
    since       timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
create index waiting_room on waiting (room, message_id);
create index waiting_partition on waiting (partition);

-- Places in groups that only so many messages may be in at once, held under the ownership of the message's partition.
create table slots (
    room        text not null,
    message_id  bigint not null,
    partition   smallint not null,
    token       bigint not null,
    at_once     integer not null,
    taken_at    timestamptz not null default clock_timestamp(),
    primary key (room, message_id)
) with (autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
create index slots_message on slots (message_id);
create index slots_partition on slots (partition);

-- Token buckets: how many starts were left at that moment.
create table rates (
    room        text primary key,
    tokens      double precision not null,
    at          timestamptz not null
) with (fillfactor = 70, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
create index rates_at on rates (at);

-- How far long work has come. Worth nothing after a crash, so it is not logged.
create unlogged table progress (
    message_id  bigint primary key,
    done        bigint not null,
    total       bigint,
    note        text not null,
    at          timestamptz not null default clock_timestamp()
) with (fillfactor = 70);

-- Grows with every order, so that a look at one row tells whether there is anything new.
insert into house (name, value) values ('orders', '0') on conflict (name) do nothing;

grant select, insert, update, delete on pauses, cancellations, waiting, slots, rates, progress to sallyport_workers;
