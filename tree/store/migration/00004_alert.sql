-- +goose Up

-- Alerts, see package ledger: id begins with when it opened, status is the worst of one that
-- is resolved, resolved is 0 until then, customers have a line break around each, in lower
-- case, and document is all of it as JSON. One that was closed by hand, or for want of
-- room, is closed while its node has not been well since.
CREATE TABLE alert (
    manager   BIGINT   NOT NULL,
    id        BIGINT   NOT NULL,
    path      TEXT /*postgres COLLATE "C" */ NOT NULL,
    kind      TEXT     NOT NULL,
    status    SMALLINT NOT NULL,
    severity  SMALLINT NOT NULL,
    opened    BIGINT   NOT NULL,
    resolved  BIGINT   NOT NULL,
    closed    SMALLINT NOT NULL,
    cause     BIGINT   NOT NULL,
    instance  TEXT     NOT NULL,
    customers TEXT     NOT NULL,
    document  TEXT     NOT NULL,
    PRIMARY KEY (manager, id)
);
CREATE INDEX alert_resolved ON alert (manager, resolved, id);
CREATE INDEX alert_path ON alert (manager, path);
CREATE INDEX alert_closed ON alert (manager, id) WHERE closed = 1;
