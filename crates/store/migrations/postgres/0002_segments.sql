-- The revision of the last change to what refers to what in the project: prerequisites, segments and lists named
-- by conditions, and which of them exist. Who changes any of that names the version it was decided upon, so that
-- two writers together cannot make a cycle, or name what the other one deletes.
ALTER TABLE projects ADD COLUMN dependencies BIGINT NOT NULL DEFAULT 0;

-- Besides flags, segments and context lists change what an environment's readers see: `kind` says which it is.
ALTER TABLE effects RENAME COLUMN flag_key TO key;
ALTER TABLE effects ADD COLUMN kind TEXT NOT NULL DEFAULT 'flag';
ALTER TABLE effects ALTER COLUMN kind DROP DEFAULT;
ALTER TABLE effects DROP CONSTRAINT effects_pkey;
ALTER TABLE effects ADD PRIMARY KEY (project_id, environment_id, kind, key);

-- Large key lists by their content: unique keys sorted by bytes, each followed by a line feed. Nothing reads one
-- before it is complete. One that no config names is removed some time after it was last put or named.
CREATE TABLE key_lists (
    project_id TEXT    NOT NULL REFERENCES projects (id),
    -- Hexadecimal digits.
    sha256     TEXT    NOT NULL,
    complete   BOOLEAN NOT NULL,
    used_at    BIGINT  NOT NULL,
    PRIMARY KEY (project_id, sha256)
);

CREATE TABLE key_list_chunks (
    project_id TEXT    NOT NULL,
    sha256     TEXT    NOT NULL,
    -- From 0 without gaps.
    position   INTEGER NOT NULL,
    bytes      BYTEA   NOT NULL,
    PRIMARY KEY (project_id, sha256, position),
    FOREIGN KEY (project_id, sha256) REFERENCES key_lists (project_id, sha256) ON DELETE CASCADE
);

CREATE TABLE segments (
    project_id  TEXT   NOT NULL REFERENCES projects (id),
    id          TEXT   NOT NULL,
    key         TEXT   NOT NULL COLLATE "C",
    name        TEXT   NOT NULL COLLATE "C",
    description TEXT   NOT NULL COLLATE "C",
    version     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, key)
);

CREATE TABLE segment_configs (
    project_id     TEXT   NOT NULL,
    segment_id     TEXT   NOT NULL,
    environment_id TEXT   NOT NULL,
    -- JSON; null is none.
    condition      TEXT,
    -- JSON: the keys, or the name of their list.
    included       TEXT   NOT NULL,
    excluded       TEXT   NOT NULL,
    included_count BIGINT NOT NULL,
    excluded_count BIGINT NOT NULL,
    -- The lists that are named, so that none of them is removed.
    included_list  TEXT,
    excluded_list  TEXT,
    version        BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    PRIMARY KEY (project_id, segment_id, environment_id),
    FOREIGN KEY (project_id, segment_id) REFERENCES segments (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, environment_id) REFERENCES environments (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, included_list) REFERENCES key_lists (project_id, sha256),
    FOREIGN KEY (project_id, excluded_list) REFERENCES key_lists (project_id, sha256)
);

CREATE INDEX segment_configs_by_included_list ON segment_configs (project_id, included_list);
CREATE INDEX segment_configs_by_excluded_list ON segment_configs (project_id, excluded_list);

CREATE TABLE context_fields (
    project_id   TEXT   NOT NULL REFERENCES projects (id),
    id           TEXT   NOT NULL,
    key          TEXT   NOT NULL COLLATE "C",
    name         TEXT   NOT NULL COLLATE "C",
    type         TEXT   NOT NULL,
    description  TEXT   NOT NULL COLLATE "C",
    -- JSON: the known values, which are the context list of the same key.
    known_values TEXT   NOT NULL,
    version      BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, key)
);
