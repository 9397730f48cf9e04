-- +goose Up

-- Definitions of a site: its managers alone have them. Those of no site, such as all that were
-- there before, are for every manager of the database. See package revision.
CREATE TABLE definition_of_site (
    site     TEXT /*postgres COLLATE "C" */ NOT NULL DEFAULT '',
    name     TEXT /*postgres COLLATE "C" */ NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (site, name)
);
INSERT INTO definition_of_site (name, revision) SELECT name, revision FROM definition;
DROP TABLE definition;
ALTER TABLE definition_of_site RENAME TO definition;

CREATE TABLE definition_revision_of_site (
    site     TEXT /*postgres COLLATE "C" */ NOT NULL DEFAULT '',
    name     TEXT /*postgres COLLATE "C" */ NOT NULL,
    revision BIGINT   NOT NULL,
    removed  SMALLINT NOT NULL,
    text     TEXT     NOT NULL,
    sha256   TEXT     NOT NULL,
    who      TEXT     NOT NULL,
    made_at  BIGINT   NOT NULL,
    comment  TEXT     NOT NULL,
    PRIMARY KEY (site, name, revision)
);
INSERT INTO definition_revision_of_site (name, revision, removed, text, sha256, who, made_at, comment)
    SELECT name, revision, removed, text, sha256, who, made_at, comment FROM definition_revision;
DROP TABLE definition_revision;
ALTER TABLE definition_revision_of_site RENAME TO definition_revision;

-- A mark that tells this database from others: managers that have the same take leases in the
-- same table. It is made by the first that wants to know, see package lease.
CREATE TABLE peer_database (
    id   BIGINT NOT NULL PRIMARY KEY,
    mark TEXT   NOT NULL
);
