-- +goose Up

-- What parts of grove find again after a restart: texts by kind and name, see package drawer.
CREATE TABLE drawer (
    manager BIGINT NOT NULL,
    kind    TEXT /*postgres COLLATE "C" */ NOT NULL,
    name    TEXT /*postgres COLLATE "C" */ NOT NULL,
    text    TEXT NOT NULL,
    PRIMARY KEY (manager, kind, name)
) /*sqlite WITHOUT ROWID */;
