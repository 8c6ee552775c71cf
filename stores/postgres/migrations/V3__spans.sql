-- The flight recorder's spans, one partition per day.
--
-- A row repeats of its record only what is searched for. The record itself is JSON in bytes: it is parsed where it is used,
-- and a stranger's NUL character or lone surrogate in an attribute spoils nobody's batch.

create table spans (
    day          date not null,
    trace_id     bytea not null,
    span_id      bytea not null,
    parent_id    bytea,
    name         text not null,
    server       boolean not null,
    started_at   timestamptz not null,
    duration_ns  bigint not null,
    failed       boolean not null,
    route        text,
    kind         text,
    status       smallint,
    record       bytea not null
) partition by range (day);
create index spans_trace on spans (trace_id);
create index spans_started on spans (started_at);
create index spans_failed on spans (started_at) where failed;
create table spans_default partition of spans default;

-- The edge records what it refuses and reads nothing back.
grant insert on spans to sallyport_edge;
revoke update, delete on spans, spans_default from sallyport_workers;
grant select, insert on spans to sallyport_workers;

-- The janitor makes and drops the days.
alter table spans owner to sallyport_janitor;
alter table spans_default owner to sallyport_janitor;
