-- +goose Up

-- Who may link to a manager; see package notify/peer/authority. Authority is the ID of the
-- manager, which follows from its key: a manager whose key was lost begins anew under another.
-- Times are Unix milliseconds.

-- Invitations: hash is the SHA-256 of the secret in hexadecimal; used_by is the ID of who
-- joined by it, empty and used_at zero before that.
CREATE TABLE peer_invitation (
    manager   BIGINT NOT NULL,
    authority TEXT /*postgres COLLATE "C" */ NOT NULL,
    id        TEXT /*postgres COLLATE "C" */ NOT NULL,
    hash      TEXT   NOT NULL UNIQUE,
    name      TEXT   NOT NULL,
    made_by   TEXT   NOT NULL,
    made_at   BIGINT NOT NULL,
    ends_at   BIGINT NOT NULL,
    used_by   TEXT   NOT NULL,
    used_at   BIGINT NOT NULL,
    PRIMARY KEY (manager, authority, id)
) /*sqlite WITHOUT ROWID */;

-- Managers that joined: key is the SHA-256 of the public key in hexadecimal; number and
-- ends_at are those of the newest certificate.
CREATE TABLE peer_lower (
    manager    BIGINT NOT NULL,
    authority  TEXT /*postgres COLLATE "C" */ NOT NULL,
    id         TEXT /*postgres COLLATE "C" */ NOT NULL,
    name       TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    invited_by TEXT   NOT NULL,
    joined_at  BIGINT NOT NULL,
    renewed_at BIGINT NOT NULL,
    number     BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    PRIMARY KEY (manager, authority, id)
) /*sqlite WITHOUT ROWID */;

-- What was revoked: the certificates of a manager up to a number. Entry counts the revocations
-- of the authority, upwards.
CREATE TABLE peer_revocation (
    manager   BIGINT NOT NULL,
    authority TEXT /*postgres COLLATE "C" */ NOT NULL,
    id        TEXT /*postgres COLLATE "C" */ NOT NULL,
    entry     BIGINT NOT NULL,
    up_to     BIGINT NOT NULL,
    made_at   BIGINT NOT NULL,
    made_by   TEXT   NOT NULL,
    comment   TEXT   NOT NULL,
    PRIMARY KEY (manager, authority, id)
) /*sqlite WITHOUT ROWID */;
