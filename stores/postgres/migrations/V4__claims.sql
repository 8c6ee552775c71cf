-- Claims that stay flat and fair however much waits (docs/adr/0008-flat-and-fair-claims.md).
--
-- State 2 of a queue row is "behind": it could run, but an earlier message of its key has to go first. Such rows stand
-- apart from what may be claimed, so that a claim never walks over them again; it finds them by their key when the key
-- goes on. A row stays behind until it ends, also while a worker has it.

-- Which line of its partition a message stands in: one per tenant, so that a claim takes turns between them. 0 is what a
-- program before this migration writes; while such rows wait, their partition is claimed strictly by number.
alter table queue add column lane smallint not null default 0;
-- Its key waited for this failing message for as long as the policy allows, and is not held for it again (law L9).
alter table queue add column stepped_over boolean not null default false;

-- A number that a tenant keeps. `hashtext` is what hash indexes stand on, so it outlives upgrades of the server.
create function queue_lane(tenant text) returns smallint
language sql immutable parallel safe
as $$ select (1 + (hashtext(tenant) & 2147483647) % 32767)::smallint $$;

-- By its place: what is ready, and what is behind. Also serves `state = 0`, as programs before this migration ask.
create unique index queue_waiting on queue (partition, priority, id) where state <> 1;
drop index queue_ready;
-- What a claim walks.
create index queue_lanes on queue (partition, priority, lane, id) where state = 0;
-- What it finds by its key.
create index queue_behind on queue (partition, key, id) where state = 2;

-- Workers that know what "behind" means say so; those of the release before cannot.
alter table workers add column looks_behind boolean not null default false;

-- A partition that goes to a worker which does not know of messages behind gets them all back as ready, in the same
-- transaction: it would neither find them nor keep the order of their keys. To be dropped when no such worker is left.
create function bring_back_what_is_behind() returns trigger
language plpgsql
as $$
begin
    if not exists (select from workers w where w.id = new.owner and w.looks_behind) then
        update queue set state = 0 where state = 2 and partition = new.partition;
    end if;
    return null;
end
$$;
create trigger leases_to_older_workers
after update of owner on leases
for each row
when (new.owner is not null and new.owner is distinct from old.owner)
execute function bring_back_what_is_behind();
