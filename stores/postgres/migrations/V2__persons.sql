-- Who speaks with the bots, what they may do, and what has been shown to them.
--
-- Written and read by the workers alone. Texts that come from strangers and may hold any byte are bytea; names have
-- their NUL characters removed by the writer. What somebody wrote is not kept here: only what was decided about it.

create table persons (
    id          bigint generated always as identity primary key,
    created_at  timestamptz not null default now()
);

-- One row per account at a provider. Linking two accounts of one human means pointing both at one person.
create table identities (
    provider    text not null,
    subject     text not null,
    person      bigint not null references persons (id) on delete cascade,
    name        text not null,
    language    text not null,
    kind        text not null check (kind in ('human', 'anonymous_admin', 'channel', 'bot')),
    seen_at     timestamptz not null default now(),
    primary key (provider, subject)
);
create index identities_person on identities (person);

-- What a person may do with one bot. No row means guest.
create table roles (
    bot         text not null,
    person      bigint not null references persons (id) on delete cascade,
    role        text not null check (role in ('member', 'operator', 'owner')),
    granted_at  timestamptz not null default now(),
    primary key (bot, person)
);

-- The code that makes somebody the owner: one per bot, the newest counts, only its digest is kept.
create table owner_codes (
    bot         text primary key,
    digest      bytea not null,
    expires_at  timestamptz not null,
    used_at     timestamptz,
    used_by     bigint references persons (id) on delete set null
);

create table chats (
    bot         text not null,
    chat        text not null,
    kind        text not null check (kind in ('private', 'group', 'channel')),
    -- Set when the provider says that nothing can be sent there; cleared when somebody writes there again.
    unreachable_since timestamptz,
    -- A group that became a supergroup lives on under another id.
    moved_to    text,
    seen_at     timestamptz not null default now(),
    primary key (bot, chat)
);

-- The meaning of a button; the button itself only carries the id.
create table buttons (
    id          text primary key,
    bot         text not null,
    meaning     bytea not null,
    expires_at  timestamptz not null
);
create index buttons_expires_at on buttons (expires_at);

-- Streamed answers: one row per answer on somebody's screen. The id of its first message is stored before the first
-- edit, so that whoever goes on with the answer edits the same message.
create table answers (
    bot         text not null,
    chat        text not null,
    app         text not null,
    slot        text not null,
    messages    bigint[] not null default '{}',
    touched_at  timestamptz not null default now(),
    primary key (bot, chat, app, slot)
);
create index answers_touched_at on answers (touched_at);

-- The parts of a long text that have been sent, so that a retry goes on behind them.
create table sent_parts (
    send        bigint not null,
    part        smallint not null,
    message     bigint not null,
    sent_at     timestamptz not null default now(),
    primary key (send, part)
);
create index sent_parts_sent_at on sent_parts (sent_at);

grant select, insert, update, delete on
    persons, identities, roles, owner_codes, chats, buttons, answers, sent_parts
    to sallyport_workers;
