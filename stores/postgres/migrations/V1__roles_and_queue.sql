-- The roles of the running house, and the durable queue.
--
-- Small, hot things stand apart from large, cold ones: `queue` holds a narrow row for what is not finished, `messages` the
-- bytes, appended once and dropped by the day. Finishing a message deletes one narrow row and appends one.

-- Roles belong to the whole server, and several databases of it may be migrated at once.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['sallyport_edge', 'sallyport_workers', 'sallyport_janitor'] loop
        begin
            execute format('create role %I nologin', role_name);
        exception when duplicate_object or unique_violation then
            null;
        end;
        if not pg_has_role(current_user, role_name, 'member') then
            execute format('grant %I to current_user', role_name);
        end if;
    end loop;
end
$$;

revoke create on schema public from public;
grant usage on schema public to sallyport_edge, sallyport_workers, sallyport_janitor;
grant create on schema public to sallyport_janitor;

-- Facts about this database as a whole: the number of partitions, the history it belongs to, whether workers must wait.
create table house (
    name    text primary key,
    value   text not null
);
insert into house (name, value) values ('partitions', '256');

-- The order of all messages (law L3). Without a cache: two sessions must not hold numbers in advance.
create sequence message_order as bigint cache 1;

-- The unique pair of law L2. Pruned together with the day of its message, in small batches.
create table deliveries (
    source       text not null,
    delivery_id  text not null,
    message_id   bigint not null,
    trace        bytea not null,
    primary key (source, delivery_id)
);

-- The log of messages, one partition per day. A payload is bytes: jsonb refuses NUL and lone surrogates.
create table messages (
    id              bigint not null,
    day             date not null,
    bot             text not null,
    tenant          text not null,
    source          text not null,
    delivery_id     text,
    kind            text not null,
    kind_version    smallint not null,
    key             text not null,
    partition       smallint not null,
    priority        smallint not null,
    payload         bytea not null,
    payload_format  smallint not null,
    encryption_key  text,
    subject         text,
    cause           bigint,
    trace           bytea not null,
    trace_id        bytea not null,
    edge_spans      bytea,
    accepted_at     timestamptz not null default clock_timestamp(),
    expires_at      timestamptz,
    primary key (day, id)
) partition by range (day);
create index messages_trace on messages (trace_id);
create table messages_default partition of messages default;

-- What is not finished. State 0 is ready (also while a worker has it), 1 is delayed until ready_at.
-- A claim changes nothing here; it walks queue_ready. The two kinds of rows never share an index.
create table queue (
    id             bigint not null,
    day            date not null,
    partition      smallint not null,
    priority       smallint not null,
    state          smallint not null default 0,
    attempts       smallint not null default 0,
    interrupted    boolean not null default false,
    counted_claim  bigint not null default 0,
    ready_at       timestamptz not null default clock_timestamp(),
    kind           text not null,
    key            text not null
) with (
    fillfactor = 90,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_insert_scale_factor = 0.2,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.1,
    autovacuum_analyze_threshold = 2000
);
create unique index queue_ready on queue (partition, priority, id) where state = 0;
create unique index queue_delayed on queue (partition, priority, id) where state = 1;
create index queue_due on queue (ready_at) where state = 1;

-- One row per batch that a worker took, committed before any handler starts (law L5). The arrays run in parallel.
create table claims (
    id          bigint generated always as identity primary key,
    worker      text not null,
    partitions  smallint[] not null,
    tokens      bigint[] not null,
    priorities  smallint[] not null,
    ids         bigint[] not null,
    released    bigint[] not null default '{}',
    claimed_at  timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);

-- The ends of attempts that were not the last.
create table attempts (
    message_id  bigint not null,
    day         date not null,
    attempt     smallint not null,
    outcome     text not null check (outcome in ('retry', 'snooze', 'interrupted')),
    error_kind  text,
    error_text  text,
    started_at  timestamptz not null,
    ended_at    timestamptz not null default clock_timestamp(),
    worker      text not null,
    claim       bigint not null
) partition by range (day);
create index attempts_message on attempts (message_id);
create table attempts_default partition of attempts default;

-- The ends of messages.
create table endings (
    message_id  bigint not null,
    day         date not null,
    outcome     text not null check (outcome in ('done', 'ignored', 'cancelled', 'expired', 'erased', 'dead')),
    attempt     smallint not null,
    error_kind  text,
    error_text  text,
    started_at  timestamptz not null,
    ended_at    timestamptz not null default clock_timestamp(),
    worker      text not null,
    claim       bigint not null
) partition by range (day);
create index endings_message on endings (message_id);
create table endings_default partition of endings default;

-- The workers that are alive, and who owns what (law L4). Heartbeats touch only the first.
create table workers (
    id          text primary key,
    beat        bigint not null,
    started_at  timestamptz not null default clock_timestamp(),
    version     text,
    leaving     boolean not null default false
) with (fillfactor = 50, autovacuum_vacuum_threshold = 200);

-- `counted` is the newest ownership whose predecessors' claims were counted as attempts.
create table leases (
    partition  smallint primary key,
    owner      text,
    token      bigint not null default 0,
    counted    bigint not null default 0
) with (fillfactor = 50, autovacuum_vacuum_threshold = 500);
insert into leases (partition) select generate_series(0, 255);

-- Keys that wait for their failing head (law L9). No end means parked.
create table held_keys (
    partition  smallint not null,
    key        text not null,
    head       bigint not null,
    until      timestamptz,
    primary key (partition, key)
);

-- Messages that failed for good, with everything needed to try them again (law L11).
create table dead_letters (
    id              bigint primary key,
    bot             text not null,
    tenant          text not null,
    source          text not null,
    delivery_id     text,
    kind            text not null,
    kind_version    smallint not null,
    key             text not null,
    priority        smallint not null,
    payload         bytea not null,
    payload_format  smallint not null,
    encryption_key  text,
    subject         text,
    cause           bigint,
    trace           bytea not null,
    accepted_at     timestamptz not null,
    died_at         timestamptz not null default clock_timestamp(),
    attempts        smallint not null,
    error_kind      text not null,
    error_text      text not null,
    replayed_at     timestamptz,
    replayed_as     bigint
);
create index dead_letters_open on dead_letters (kind, error_kind, id) where replayed_at is null;

-- Sends of which nobody knows whether they arrived.
create table ambiguous (
    message_id  bigint not null,
    attempt     smallint not null,
    at          timestamptz not null default clock_timestamp(),
    reason      text not null
);
create index ambiguous_message on ambiguous (message_id);
create index ambiguous_at on ambiguous using brin (at);

-- What is to become a message later than in a day, or again and again (law L12).
create table schedules (
    id              bigint generated always as identity primary key,
    name            text unique,
    due_at          timestamptz not null,
    every_seconds   bigint check (every_seconds > 0),
    bot             text not null,
    tenant          text not null,
    source          text not null,
    kind            text not null,
    kind_version    smallint not null,
    key             text not null,
    partition       smallint not null,
    priority        smallint not null,
    payload         bytea not null,
    payload_format  smallint not null,
    subject         text,
    cause           bigint,
    trace           bytea not null,
    expires_seconds double precision
);
create index schedules_due on schedules (due_at);

-- The edge puts in, and sees what a repeat needs to see.
grant insert on deliveries, messages, queue, schedules to sallyport_edge;
grant select (source, delivery_id, message_id, trace) on deliveries to sallyport_edge;
grant usage on sequence message_order to sallyport_edge;
grant select on house to sallyport_edge;

-- The workers do everything with rows and nothing with tables.
grant select, insert, update, delete on
    deliveries, queue, claims, workers, held_keys, dead_letters, ambiguous, schedules, house
    to sallyport_workers;
grant select, insert on messages, attempts, endings to sallyport_workers;
grant select, update on leases to sallyport_workers;
grant usage on sequence message_order to sallyport_workers;

-- The janitor owns what is partitioned by day, so that it may make, detach and drop the days.
alter table messages owner to sallyport_janitor;
alter table messages_default owner to sallyport_janitor;
alter table attempts owner to sallyport_janitor;
alter table attempts_default owner to sallyport_janitor;
alter table endings owner to sallyport_janitor;
alter table endings_default owner to sallyport_janitor;
grant select, update on queue to sallyport_janitor;
grant select, delete on deliveries, ambiguous to sallyport_janitor;

-- What later migrations create is the workers' to use, unless they say otherwise. The edge gets nothing by default.
alter default privileges in schema public grant select, insert, update, delete on tables to sallyport_workers;
alter default privileges in schema public grant usage, select on sequences to sallyport_workers;
