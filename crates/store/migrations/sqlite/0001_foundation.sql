-- Ids are UUIDs as text, times milliseconds since 1970 UTC, revisions whole numbers from 1.
-- Every row, key and unique index carries its project, save the instance's own. In `chains`, `changes` and
-- `change_entities` the project of all zeros is the instance itself.

CREATE TABLE instance (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch TEXT    NOT NULL
);

CREATE TABLE projects (
    id   TEXT NOT NULL PRIMARY KEY,
    key  TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL
);

-- The end of each chain. Its row is the lock under which a chain grows.
CREATE TABLE chains (
    project_id TEXT   NOT NULL PRIMARY KEY,
    revision   BIGINT NOT NULL,
    hash       BLOB   NOT NULL
);

INSERT INTO chains (project_id, revision, hash)
VALUES ('00000000-0000-0000-0000-000000000000', 0, zeroblob(32));

-- The log. Texts are kept exactly as they were hashed; a redacted one is null and its hash stays.
CREATE TABLE changes (
    project_id   TEXT   NOT NULL REFERENCES chains (project_id),
    revision     BIGINT NOT NULL,
    at           BIGINT NOT NULL,
    actor        TEXT   NOT NULL,
    source       TEXT   NOT NULL,
    action       TEXT   NOT NULL,
    entities     TEXT   NOT NULL,
    before       TEXT,
    after        TEXT,
    comment      TEXT,
    before_hash  BLOB   NOT NULL,
    after_hash   BLOB   NOT NULL,
    comment_hash BLOB   NOT NULL,
    hash         BLOB   NOT NULL,
    PRIMARY KEY (project_id, revision)
);

-- Which entries of the log are about an entity.
CREATE TABLE change_entities (
    project_id TEXT   NOT NULL,
    entity_id  TEXT   NOT NULL,
    revision   BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    PRIMARY KEY (project_id, entity_id, revision)
);

CREATE INDEX change_entities_by_key ON change_entities (project_id, kind, key, revision);

CREATE TABLE environments (
    project_id        TEXT    NOT NULL REFERENCES projects (id),
    id                TEXT    NOT NULL,
    key               TEXT    NOT NULL,
    name              TEXT    NOT NULL,
    protected         BOOLEAN NOT NULL,
    position          INTEGER NOT NULL,
    created_at        BIGINT  NOT NULL,
    updated_at        BIGINT  NOT NULL,
    -- Revision of the last change that affected what its readers see.
    snapshot_revision BIGINT  NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, key)
);

CREATE INDEX environments_by_id ON environments (id);

CREATE TABLE flags (
    project_id     TEXT    NOT NULL REFERENCES projects (id),
    id             TEXT    NOT NULL,
    key            TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    description    TEXT    NOT NULL,
    client_visible BOOLEAN NOT NULL,
    archived       BOOLEAN NOT NULL,
    -- JSON: kind, variants, tags.
    document       TEXT    NOT NULL,
    version        BIGINT  NOT NULL,
    created_at     BIGINT  NOT NULL,
    updated_at     BIGINT  NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, key)
);

-- The tags of each flag's document, to find flags by.
CREATE TABLE flag_tags (
    project_id TEXT NOT NULL,
    tag        TEXT NOT NULL,
    flag_id    TEXT NOT NULL,
    PRIMARY KEY (project_id, tag, flag_id),
    FOREIGN KEY (project_id, flag_id) REFERENCES flags (project_id, id) ON DELETE CASCADE
);

CREATE INDEX flag_tags_by_flag ON flag_tags (project_id, flag_id);

CREATE TABLE flag_configs (
    project_id     TEXT    NOT NULL,
    flag_id        TEXT    NOT NULL,
    environment_id TEXT    NOT NULL,
    enabled        BOOLEAN NOT NULL,
    -- JSON: off_variant, targets, rules, default.
    document       TEXT    NOT NULL,
    version        BIGINT  NOT NULL,
    updated_at     BIGINT  NOT NULL,
    PRIMARY KEY (project_id, flag_id, environment_id),
    FOREIGN KEY (project_id, flag_id) REFERENCES flags (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, environment_id) REFERENCES environments (project_id, id)
);

-- The last revision at which a flag changed in an environment's snapshot; it stays when the flag is deleted,
-- so that readers hear of it. Grows with the keys that ever were, not with the changes to them.
CREATE TABLE effects (
    project_id     TEXT   NOT NULL,
    environment_id TEXT   NOT NULL,
    flag_key       TEXT   NOT NULL,
    revision       BIGINT NOT NULL,
    PRIMARY KEY (project_id, environment_id, flag_key),
    FOREIGN KEY (project_id, environment_id) REFERENCES environments (project_id, id)
);

CREATE INDEX effects_by_revision ON effects (project_id, environment_id, revision);

CREATE TABLE sdk_keys (
    project_id     TEXT   NOT NULL,
    id             TEXT   NOT NULL,
    environment_id TEXT   NOT NULL,
    name           TEXT   NOT NULL,
    kind           TEXT   NOT NULL,
    hint           TEXT   NOT NULL,
    hash           TEXT   NOT NULL,
    created_by     TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    revoked_at     BIGINT,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, hash),
    FOREIGN KEY (project_id, environment_id) REFERENCES environments (project_id, id)
);

-- A key names one environment of one project: its hash is looked up across projects before it is added.
CREATE INDEX sdk_keys_by_hash ON sdk_keys (hash);

CREATE TABLE accounts (
    id            TEXT   NOT NULL PRIMARY KEY,
    email         TEXT   NOT NULL UNIQUE,
    name          TEXT   NOT NULL,
    role          TEXT   NOT NULL,
    password_hash TEXT,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL
);

CREATE TABLE access_tokens (
    id         TEXT   NOT NULL PRIMARY KEY,
    account_id TEXT   NOT NULL REFERENCES accounts (id),
    hash       TEXT   NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE signing_keys (
    id         TEXT   NOT NULL PRIMARY KEY,
    secret     BLOB   NOT NULL,
    created_at BIGINT NOT NULL
);
