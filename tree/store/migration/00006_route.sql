-- +goose Up

-- What routes have told, and whom; see package told. Times are Unix milliseconds.

-- Groups of alerts of which somebody was told, until that all is over was told, too. common is
-- JSON; told_at is when the targets of the route were told last, step the last of the
-- escalation that was taken; merged is 0 or 1.
CREATE TABLE route_group (
    manager      BIGINT NOT NULL,
    id           TEXT /*postgres COLLATE "C" */ NOT NULL,
    route        TEXT     NOT NULL,
    common       TEXT     NOT NULL,
    precedence   SMALLINT NOT NULL,
    merged       SMALLINT NOT NULL,
    began_at     BIGINT   NOT NULL,
    told_at      BIGINT   NOT NULL,
    step         SMALLINT NOT NULL,
    PRIMARY KEY (manager, id)
) /*sqlite WITHOUT ROWID */;

-- The channels that were told of a group, and the number of the last message.
CREATE TABLE route_channel (
    manager      BIGINT NOT NULL,
    route_group  TEXT /*postgres COLLATE "C" */ NOT NULL,
    channel      TEXT /*postgres COLLATE "C" */ NOT NULL,
    sequence     BIGINT NOT NULL,
    PRIMARY KEY (manager, route_group, channel)
) /*sqlite WITHOUT ROWID */;

-- The alerts of a group that were told and are not yet told to be over; status and severity as
-- told. owed are the routes that were to tell of it as well and had not yet: JSON, or empty.
CREATE TABLE route_alert (
    manager      BIGINT   NOT NULL,
    route_group  TEXT /*postgres COLLATE "C" */ NOT NULL,
    alert        BIGINT   NOT NULL,
    status       SMALLINT NOT NULL,
    severity     SMALLINT NOT NULL,
    since        BIGINT   NOT NULL,
    told_at      BIGINT   NOT NULL,
    owed         TEXT     NOT NULL,
    PRIMARY KEY (manager, route_group, alert)
) /*sqlite WITHOUT ROWID */;
