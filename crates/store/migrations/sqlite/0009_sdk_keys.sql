-- A key opens one environment, several or all; it may expire, and another may have come in its place. SQLite changes
-- no constraint of a table, so the keys move to a new one.
DROP INDEX sdk_keys_by_hash;
ALTER TABLE sdk_keys RENAME TO former_sdk_keys;

CREATE TABLE sdk_keys (
    project_id    TEXT    NOT NULL REFERENCES projects (id),
    id            TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    description   TEXT    NOT NULL DEFAULT '',
    kind          TEXT    NOT NULL,
    -- Whether it opens all environments, those to come included; if not, `sdk_key_environments` has them.
    whole_project BOOLEAN NOT NULL DEFAULT FALSE,
    -- JSON: origins of the pages that may use it.
    origins       TEXT    NOT NULL DEFAULT '[]',
    hint          TEXT    NOT NULL,
    hash          TEXT    NOT NULL,
    version       BIGINT  NOT NULL DEFAULT 0,
    created_by    TEXT    NOT NULL,
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL DEFAULT 0,
    expires_at    BIGINT,
    -- Written down every few seconds, outside of any change.
    last_used_at  BIGINT,
    revoked_at    BIGINT,
    replaced_by   TEXT,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, hash)
);

-- A key opens environments of one project: its hash is looked up across projects before it is added.
CREATE INDEX sdk_keys_by_hash ON sdk_keys (hash);

INSERT INTO sdk_keys (project_id, id, name, kind, hint, hash, created_by, created_at, revoked_at)
SELECT project_id, id, name, kind, hint, hash, created_by, created_at, revoked_at FROM former_sdk_keys;

UPDATE sdk_keys SET
    updated_at = COALESCE(revoked_at, created_at),
    version = COALESCE((SELECT MAX(revision) FROM change_entities e
                        WHERE e.project_id = sdk_keys.project_id AND e.entity_id = sdk_keys.id), 0);

CREATE TABLE sdk_key_environments (
    project_id     TEXT NOT NULL,
    sdk_key_id     TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    PRIMARY KEY (project_id, sdk_key_id, environment_id),
    FOREIGN KEY (project_id, sdk_key_id) REFERENCES sdk_keys (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, environment_id) REFERENCES environments (project_id, id)
);

CREATE INDEX sdk_key_environments_by_environment ON sdk_key_environments (project_id, environment_id);

INSERT INTO sdk_key_environments (project_id, sdk_key_id, environment_id)
SELECT project_id, id, environment_id FROM former_sdk_keys;

DROP TABLE former_sdk_keys;
