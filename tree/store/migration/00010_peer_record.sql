-- +goose Up

-- What other managers are to be told of the journal, see package record. An entry gets its
-- number in the transaction that writes it, so that numbers are in the order of commits.
-- lane: empty for all that follow, else the follower that is told of the past.
CREATE TABLE peer_record (
    manager BIGINT NOT NULL,
    lane    TEXT /*postgres COLLATE "C" */ NOT NULL,
    number  BIGINT NOT NULL,
    entry   BIGINT NOT NULL,
    PRIMARY KEY (manager, lane, number)
) /*sqlite WITHOUT ROWID */;

-- The number that was given last, and the time of the newest entry that has one.
CREATE TABLE peer_record_head (
    manager BIGINT NOT NULL PRIMARY KEY,
    last    BIGINT NOT NULL,
    newest  BIGINT NOT NULL
);

-- The managers that follow the journal: from which number on, and up to which they have it.
CREATE TABLE peer_follower (
    manager  BIGINT NOT NULL,
    follower TEXT /*postgres COLLATE "C" */ NOT NULL,
    token    TEXT   NOT NULL,
    start    BIGINT NOT NULL,
    mark     BIGINT NOT NULL,
    asked_at BIGINT NOT NULL,
    PRIMARY KEY (manager, follower)
);

-- The managers whose journals are followed: up to when all of them was known, and which
-- numbers of them the journal here has, from after low up to high.
CREATE TABLE peer_source (
    manager  BIGINT NOT NULL,
    source   TEXT /*postgres COLLATE "C" */ NOT NULL,
    token    TEXT   NOT NULL,
    newest   BIGINT NOT NULL,
    known_at BIGINT NOT NULL,
    PRIMARY KEY (manager, source)
);
CREATE TABLE peer_range (
    manager BIGINT NOT NULL,
    source  TEXT /*postgres COLLATE "C" */ NOT NULL,
    low     BIGINT NOT NULL,
    high    BIGINT NOT NULL,
    PRIMARY KEY (manager, source, low)
);

-- The readings of another manager: up to when they were heard, and the times of which they
-- are yet to be asked, up to which node that is done.
CREATE TABLE peer_heard (
    manager  BIGINT NOT NULL,
    source   TEXT /*postgres COLLATE "C" */ NOT NULL,
    heard_at BIGINT NOT NULL,
    PRIMARY KEY (manager, source)
);
CREATE TABLE peer_owed (
    manager BIGINT NOT NULL,
    source  TEXT /*postgres COLLATE "C" */ NOT NULL,
    begins  BIGINT NOT NULL,
    ends    BIGINT NOT NULL,
    node    TEXT   NOT NULL,
    PRIMARY KEY (manager, source, begins)
);
