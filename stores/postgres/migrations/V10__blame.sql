-- Who is to blame for a crash (docs/adr/0015-blame.md). A crash while many messages were in hand says little about each of
-- them; one while this claim was made for a single message says a lot. A program before this migration writes only false.
alter table claims add column alone boolean not null default false;
