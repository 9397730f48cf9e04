-- +goose Up

-- What this manager has watched itself of devices that move, see package notify/peer/record/past: from
-- when to when, zero is still, and where in the tree. source: from whom it came; heir: for
-- whom it was let go; beside: another manager may have watched it at the same time. A device
-- of its own that it has always had begins at zero.
CREATE TABLE peer_stay (
    manager BIGINT   NOT NULL,
    owner   TEXT /*postgres COLLATE "C" */ NOT NULL,
    name    TEXT /*postgres COLLATE "C" */ NOT NULL,
    begins  BIGINT   NOT NULL,
    ends    BIGINT   NOT NULL,
    place   TEXT     NOT NULL,
    source  TEXT     NOT NULL,
    heir    TEXT     NOT NULL,
    beside  SMALLINT NOT NULL,
    PRIMARY KEY (manager, owner, name, begins)
);

-- What another manager remembers of a device: up to the end of which of its stays that is
-- here, and of the one that is being fetched up to which entry of its journal and the
-- readings of which node. Times are those of its clock. owed: there is more. least: what is
-- older is not wanted.
CREATE TABLE peer_past (
    manager BIGINT   NOT NULL,
    owner   TEXT /*postgres COLLATE "C" */ NOT NULL,
    name    TEXT /*postgres COLLATE "C" */ NOT NULL,
    source  TEXT /*postgres COLLATE "C" */ NOT NULL,
    up_to   BIGINT   NOT NULL,
    begins  BIGINT   NOT NULL,
    entry   BIGINT   NOT NULL,
    node    TEXT     NOT NULL,
    least   BIGINT   NOT NULL,
    owed    SMALLINT NOT NULL,
    made_at BIGINT   NOT NULL,
    PRIMARY KEY (manager, owner, name, source)
);
