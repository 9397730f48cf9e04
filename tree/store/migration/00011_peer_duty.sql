-- +goose Up

-- Who watches which device; see package duty. peer_device is the book that a home keeps of the
-- devices of those that registered with it, peer_hold what a manager itself watches, has
-- prepared or has let go. The documents are JSON.
CREATE TABLE peer_device (
    manager  BIGINT NOT NULL,
    owner    TEXT /*postgres COLLATE "C" */ NOT NULL,
    name     TEXT /*postgres COLLATE "C" */ NOT NULL,
    document TEXT   NOT NULL,
    PRIMARY KEY (manager, owner, name)
) /*sqlite WITHOUT ROWID */;

CREATE TABLE peer_hold (
    manager  BIGINT NOT NULL,
    owner    TEXT /*postgres COLLATE "C" */ NOT NULL,
    name     TEXT /*postgres COLLATE "C" */ NOT NULL,
    document TEXT   NOT NULL,
    PRIMARY KEY (manager, owner, name)
) /*sqlite WITHOUT ROWID */;

-- What a home knows of the managers whose devices are in its book.
CREATE TABLE peer_member (
    manager  BIGINT NOT NULL,
    id       TEXT /*postgres COLLATE "C" */ NOT NULL,
    document TEXT   NOT NULL,
    PRIMARY KEY (manager, id)
) /*sqlite WITHOUT ROWID */;

-- Parcels in base64: those that managers left with their home (place 'book'), and those of
-- what a manager holds (place 'hold').
CREATE TABLE peer_parcel (
    manager BIGINT NOT NULL,
    place   TEXT /*postgres COLLATE "C" */ NOT NULL,
    owner   TEXT /*postgres COLLATE "C" */ NOT NULL,
    name    TEXT /*postgres COLLATE "C" */ NOT NULL,
    parcel  TEXT   NOT NULL,
    PRIMARY KEY (manager, place, owner, name)
) /*sqlite WITHOUT ROWID */;

-- What became of moves, the newest with the highest number.
CREATE TABLE peer_move (
    manager  BIGINT NOT NULL,
    id       BIGINT NOT NULL,
    owner    TEXT /*postgres COLLATE "C" */ NOT NULL,
    name     TEXT /*postgres COLLATE "C" */ NOT NULL,
    document TEXT   NOT NULL,
    PRIMARY KEY (manager, id)
) /*sqlite WITHOUT ROWID */;
CREATE INDEX peer_move_device ON peer_move (manager, name, id);
