-- Addresses elsewhere that people want events sent to: one for each chat and name.
--
-- No key is kept: the one that signs grows from a secret of the settings and the salt here. The URL may hold a secret of its
-- receiver's, so nothing but a send reads it.
create table webhooks (
    bot         text not null,
    chat        text not null,
    name        text not null,
    url         text not null check (length(url) <= 2048),
    host        text not null,
    salt        bytea not null check (length(salt) = 16),
    pointed_at  timestamptz not null default now(),
    -- How the last delivery to this URL went: null for none, empty for one that was taken, else a word for why not.
    last_error  text,
    last_at     timestamptz,
    -- Set when the receiver said that it wants no more.
    ended_at    timestamptz,
    primary key (bot, chat, name)
);

grant select, insert, update, delete on webhooks to sallyport_workers;
