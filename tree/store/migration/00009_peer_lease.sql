-- +goose Up

-- Who may act alone for a while; see package lease. A name is held once in a database,
-- whichever manager (manager) gave it; beat rises with each renewal; ttl is in milliseconds.
CREATE TABLE peer_lease (
    name    TEXT /*postgres COLLATE "C" */ NOT NULL PRIMARY KEY,
    manager BIGINT NOT NULL,
    holder  TEXT   NOT NULL,
    token   BIGINT NOT NULL,
    ttl     BIGINT NOT NULL,
    beat    BIGINT NOT NULL,
    taken   BIGINT NOT NULL
) /*sqlite WITHOUT ROWID */;

-- The highest token that was given away.
CREATE TABLE peer_token (
    id    BIGINT NOT NULL PRIMARY KEY,
    token BIGINT NOT NULL
);
