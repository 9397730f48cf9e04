-- +goose Up

-- Who may come in; all of it belongs to all managers that share the database. See package account.

-- People and programs. Grants are JSON; password is a hash in the PHC format, empty is none;
-- subject is what another provider calls the user that source names.
CREATE TABLE account (
    name       TEXT /*postgres COLLATE "C" */ NOT NULL PRIMARY KEY,
    title      TEXT     NOT NULL,
    source     TEXT     NOT NULL,
    subject    TEXT     NOT NULL,
    grants     TEXT     NOT NULL,
    disabled   SMALLINT NOT NULL,
    password   TEXT     NOT NULL,
    made_at    BIGINT   NOT NULL,
    changed_at BIGINT   NOT NULL,
    login_at   BIGINT   NOT NULL
);
CREATE UNIQUE INDEX account_subject ON account (source, subject) WHERE subject <> '';

-- What programs show: hash is the SHA-256 of the token in hexadecimal.
CREATE TABLE token (
    id      TEXT /*postgres COLLATE "C" */ NOT NULL PRIMARY KEY,
    account TEXT /*postgres COLLATE "C" */ NOT NULL,
    name    TEXT   NOT NULL,
    hash    TEXT   NOT NULL UNIQUE,
    grants  TEXT   NOT NULL,
    made_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX token_name ON token (account, name);

-- Who has logged in: hash is the SHA-256 of what the cookie holds.
CREATE TABLE session (
    id      TEXT /*postgres COLLATE "C" */ NOT NULL PRIMARY KEY,
    account TEXT /*postgres COLLATE "C" */ NOT NULL,
    hash    TEXT   NOT NULL UNIQUE,
    method  TEXT   NOT NULL,
    address TEXT   NOT NULL,
    agent   TEXT   NOT NULL,
    made_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
);
CREATE INDEX session_account ON session (account);

-- Rises with each change of the three.
CREATE TABLE account_version (
    id      SMALLINT NOT NULL PRIMARY KEY,
    version BIGINT   NOT NULL
);
INSERT INTO account_version (id, version) VALUES (1, 0);
