-- +goose Up

-- Messages on their way out; see package outbox. precedence: 0 normal, 1 urgent, 2 bulk;
-- state: 0 waiting, 1 sent, 2 dead. A time of zero is none; settled is when it was sent or given up.
CREATE TABLE outbox (
    manager    BIGINT   NOT NULL,
    id         BIGINT   NOT NULL,
    key        TEXT /*postgres COLLATE "C" */ NOT NULL,
    channel    TEXT /*postgres COLLATE "C" */ NOT NULL,
    precedence SMALLINT NOT NULL,
    state      SMALLINT NOT NULL,
    made       BIGINT   NOT NULL,
    ends       BIGINT   NOT NULL,
    settled    BIGINT   NOT NULL,
    attempts   BIGINT   NOT NULL,
    next       BIGINT   NOT NULL,
    title      TEXT     NOT NULL,
    path       TEXT     NOT NULL,
    purpose    TEXT     NOT NULL,
    error      TEXT     NOT NULL,
    body       TEXT     NOT NULL,
    PRIMARY KEY (manager, id)
) /*sqlite WITHOUT ROWID */;
CREATE UNIQUE INDEX outbox_key ON outbox (manager, channel, key);

-- What is kept of a channel, and of all together under the empty name: whether somebody has
-- stopped it, and what it has sent in the period of its throttle that began then.
CREATE TABLE outbox_channel (
    manager  BIGINT   NOT NULL,
    channel  TEXT /*postgres COLLATE "C" */ NOT NULL,
    stopped  BIGINT   NOT NULL,
    began    BIGINT   NOT NULL,
    messages BIGINT   NOT NULL,
    bytes    BIGINT   NOT NULL,
    PRIMARY KEY (manager, channel)
) /*sqlite WITHOUT ROWID */;

-- How many messages waited in memory alone, which are gone after a restart.
CREATE TABLE outbox_memory (
    manager  BIGINT NOT NULL PRIMARY KEY,
    messages BIGINT NOT NULL
);
