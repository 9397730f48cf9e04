-- +goose Up

-- Times are Unix milliseconds. What stands in a comment that begins with the name of an
-- engine is for that engine alone.

-- Each manager that writes here; epoch rises with every process that does so under its name.
CREATE TABLE manager (
    id     BIGINT NOT NULL PRIMARY KEY,
    name   TEXT   NOT NULL UNIQUE,
    epoch  BIGINT NOT NULL,
    opened BIGINT NOT NULL
);

-- The paths of nodes; id is made of the path, see NodeNumber.
CREATE TABLE node (
    manager BIGINT NOT NULL,
    id      BIGINT NOT NULL,
    path    TEXT /*postgres COLLATE "C" */ NOT NULL,
    PRIMARY KEY (manager, id)
) /*sqlite WITHOUT ROWID */;
CREATE UNIQUE INDEX node_path ON node (manager, path);

-- What happened. An id begins with the time, see package journal: the table is in the order of time.
-- kind: 1 status, 2 event, and others; form: 0 no value, 1 number, 2 text.
CREATE TABLE journal (
    manager BIGINT   NOT NULL,
    id      BIGINT   NOT NULL,
    node    BIGINT   NOT NULL,
    kind    SMALLINT NOT NULL,
    was     SMALLINT NOT NULL,
    status  SMALLINT NOT NULL,
    form    SMALLINT NOT NULL,
    value   TEXT     NOT NULL,
    text    TEXT     NOT NULL,
    PRIMARY KEY (manager, id)
) /*sqlite WITHOUT ROWID */;
CREATE INDEX journal_node ON journal (manager, node, id, kind);
CREATE INDEX journal_kind ON journal (manager, kind, id) WHERE kind <> 1;

-- The last that is known of each node, and when it was seen to be so.
CREATE TABLE memory (
    manager BIGINT   NOT NULL,
    node    BIGINT   NOT NULL,
    status  SMALLINT NOT NULL,
    since   BIGINT   NOT NULL,
    form    SMALLINT NOT NULL,
    value   TEXT     NOT NULL,
    read_at BIGINT   NOT NULL,
    seen_at BIGINT   NOT NULL,
    PRIMARY KEY (manager, node)
) /*sqlite WITHOUT ROWID */;

-- Thresholds that are in force in place of the definition's.
CREATE TABLE tuning (
    manager   BIGINT NOT NULL,
    node      BIGINT NOT NULL,
    defined   TEXT   NOT NULL,
    threshold TEXT   NOT NULL,
    tuned_at  BIGINT NOT NULL,
    PRIMARY KEY (manager, node)
);

-- Definitions: which revision is current, and all of them as they were given.
CREATE TABLE definition (
    name     TEXT /*postgres COLLATE "C" */ NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL
);
CREATE TABLE definition_revision (
    name     TEXT /*postgres COLLATE "C" */ NOT NULL,
    revision BIGINT   NOT NULL,
    removed  SMALLINT NOT NULL,
    text     TEXT     NOT NULL,
    sha256   TEXT     NOT NULL,
    who      TEXT     NOT NULL,
    made_at  BIGINT   NOT NULL,
    comment  TEXT     NOT NULL,
    PRIMARY KEY (name, revision)
);

-- The audit log, a chain of hashes; see package audit.
CREATE TABLE audit (
    seq      BIGINT NOT NULL PRIMARY KEY,
    made_at  BIGINT NOT NULL,
    manager  TEXT   NOT NULL,
    who      TEXT   NOT NULL,
    origin   TEXT   NOT NULL,
    action   TEXT   NOT NULL,
    target   TEXT   NOT NULL,
    was      TEXT   NOT NULL,
    became   TEXT   NOT NULL,
    outcome  TEXT   NOT NULL,
    previous TEXT   NOT NULL,
    hash     TEXT   NOT NULL
);
CREATE TABLE audit_head (
    id   SMALLINT NOT NULL PRIMARY KEY,
    seq  BIGINT   NOT NULL,
    hash TEXT     NOT NULL
);
INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '');
