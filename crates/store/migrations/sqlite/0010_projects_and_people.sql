-- What people see of a project besides its name, who looks after it, and the revision, on the instance's chain, of its
-- last change.
ALTER TABLE projects ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE projects ADD COLUMN team_id TEXT;
ALTER TABLE projects ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE projects SET
    created_at = COALESCE((SELECT min(created_at) FROM environments e WHERE e.project_id = projects.id), 0),
    updated_at = COALESCE((SELECT min(created_at) FROM environments e WHERE e.project_id = projects.id), 0);

CREATE INDEX projects_by_team ON projects (team_id);

CREATE TABLE teams (
    id          TEXT   NOT NULL PRIMARY KEY,
    key         TEXT   NOT NULL UNIQUE,
    name        TEXT   NOT NULL,
    description TEXT   NOT NULL,
    version     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);

CREATE TABLE team_members (
    team_id    TEXT   NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    account_id TEXT   NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, account_id)
);

CREATE INDEX team_members_by_account ON team_members (account_id);

-- Roles that people made; those that are built in are in the program.
CREATE TABLE roles (
    id          TEXT   NOT NULL PRIMARY KEY,
    key         TEXT   NOT NULL UNIQUE,
    name        TEXT   NOT NULL,
    description TEXT   NOT NULL,
    -- JSON: a list of words such as flag.update@production.
    permissions TEXT   NOT NULL,
    version     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);

-- Who has which role: an account or a team; on the instance, in a project or in an environment of one.
CREATE TABLE grants (
    id             TEXT   NOT NULL PRIMARY KEY,
    account_id     TEXT   REFERENCES accounts (id) ON DELETE CASCADE,
    team_id        TEXT   REFERENCES teams (id) ON DELETE CASCADE,
    -- The role's key, built in or made.
    role           TEXT   NOT NULL,
    project_id     TEXT   REFERENCES projects (id) ON DELETE CASCADE,
    environment_id TEXT,
    created_by     TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    FOREIGN KEY (project_id, environment_id) REFERENCES environments (project_id, id) ON DELETE CASCADE,
    CHECK ((account_id IS NULL) <> (team_id IS NULL)),
    CHECK (environment_id IS NULL OR project_id IS NOT NULL)
);

CREATE UNIQUE INDEX grants_once ON grants (
    COALESCE(account_id, team_id), role, COALESCE(project_id, ''), COALESCE(environment_id, '')
);
CREATE INDEX grants_by_account ON grants (account_id);
CREATE INDEX grants_by_team ON grants (team_id);
CREATE INDEX grants_by_project ON grants (project_id, id);
CREATE INDEX grants_by_role ON grants (role);
