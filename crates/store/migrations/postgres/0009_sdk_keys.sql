-- A key opens one environment, several or all; it may expire, and another may have come in its place.
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
SELECT project_id, id, environment_id FROM sdk_keys;

ALTER TABLE sdk_keys DROP COLUMN environment_id;
ALTER TABLE sdk_keys ADD FOREIGN KEY (project_id) REFERENCES projects (id);
ALTER TABLE sdk_keys ADD COLUMN description TEXT COLLATE "C" NOT NULL DEFAULT '';
-- Whether it opens all environments, those to come included; if not, `sdk_key_environments` has them.
ALTER TABLE sdk_keys ADD COLUMN whole_project BOOLEAN NOT NULL DEFAULT FALSE;
-- JSON: origins of the pages that may use it.
ALTER TABLE sdk_keys ADD COLUMN origins TEXT COLLATE "C" NOT NULL DEFAULT '[]';
ALTER TABLE sdk_keys ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sdk_keys ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sdk_keys ADD COLUMN expires_at BIGINT;
-- Written down every few seconds, outside of any change.
ALTER TABLE sdk_keys ADD COLUMN last_used_at BIGINT;
ALTER TABLE sdk_keys ADD COLUMN replaced_by TEXT;

UPDATE sdk_keys SET
    updated_at = COALESCE(revoked_at, created_at),
    version = COALESCE((SELECT MAX(revision) FROM change_entities e
                        WHERE e.project_id = sdk_keys.project_id AND e.entity_id = sdk_keys.id), 0);
