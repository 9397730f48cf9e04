-- +goose Up

-- What stands in the texts of some thousand entries of the journal, from the one after the
-- block before up to last, so that a search for a text need not read the entries; see
-- package block. It follows from the journal, so that no backup holds it: it is made anew.
-- stale: an entry came later than the block.
CREATE TABLE journal_block (
    manager BIGINT   NOT NULL,
    last    BIGINT   NOT NULL,
    stale   SMALLINT NOT NULL,
    words   /*sqlite BLOB*/ /*postgres BYTEA*/ NOT NULL,
    numbers /*sqlite BLOB*/ /*postgres BYTEA*/ NOT NULL,
    entries /*sqlite BLOB*/ /*postgres BYTEA*/ NOT NULL,
    PRIMARY KEY (manager, last)
);
/*postgres ALTER TABLE journal_block ALTER COLUMN words SET STORAGE EXTERNAL, ALTER COLUMN numbers SET STORAGE EXTERNAL;*/
