-- What the kit remembers between messages. Messages are kept as bytes: text types refuse what a stranger may write.
CREATE SCHEMA IF NOT EXISTS kit;

-- Parts of split pastes and albums that wait for the rest; a row lives for about a second.
CREATE TABLE kit.thoughts (
    bot           text        NOT NULL,
    chat          text        NOT NULL,
    person        bigint      NOT NULL,
    first_message text        NOT NULL,
    album         text,
    parts         bytea[]     NOT NULL,
    last_at       timestamptz NOT NULL,
    touched_at    timestamptz NOT NULL,
    PRIMARY KEY (bot, chat, person, first_message)
);

-- Messages that came too late, for a day, until their chat says what to do with them.
CREATE TABLE kit.late (
    bot      text        NOT NULL,
    chat     text        NOT NULL,
    message  text        NOT NULL,
    said     bytea       NOT NULL,
    said_at  timestamptz NOT NULL,
    noted_at timestamptz NOT NULL,
    PRIMARY KEY (bot, chat, message)
);
CREATE INDEX late_noted_at ON kit.late (noted_at);

-- When a chat was last told about an absence.
CREATE TABLE kit.absences (
    bot     text        NOT NULL,
    chat    text        NOT NULL,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (bot, chat)
);

-- Handlers read and settle as the workers' role, which exists wherever the queue's tables do.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'sallyport_workers') THEN
        GRANT USAGE ON SCHEMA kit TO sallyport_workers;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA kit TO sallyport_workers;
    END IF;
END
$$;
