-- What people asked the hub and what a model answered: the memory of a chat. Rows live for a day.
CREATE SCHEMA IF NOT EXISTS hub;

CREATE TABLE hub.questions (
    bot         text        NOT NULL,
    chat        text        NOT NULL,
    message     text        NOT NULL,
    person      bigint      NOT NULL,
    words       text        NOT NULL,
    about       text,
    version     integer     NOT NULL DEFAULT 1,
    answered    integer     NOT NULL DEFAULT 0,
    answer      text,
    asked_at    timestamptz NOT NULL,
    answered_at timestamptz,
    PRIMARY KEY (bot, chat, message)
);
CREATE INDEX questions_memory ON hub.questions (bot, chat, asked_at) WHERE answer IS NOT NULL;
CREATE INDEX questions_asked_at ON hub.questions (asked_at);

-- Handlers read and settle as the workers' role, which exists wherever the queue's tables do.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'sallyport_workers') THEN
        GRANT USAGE ON SCHEMA hub TO sallyport_workers;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA hub TO sallyport_workers;
    END IF;
END
$$;
