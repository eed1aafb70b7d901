-- What is set of a project is changed on the project's own chain from now on, and its version is a revision there: one
-- that no later change takes.
UPDATE projects SET
    version = COALESCE((SELECT revision FROM chains WHERE chains.project_id = projects.id), 0);

-- Teams own flags.
CREATE INDEX flags_by_owner ON flags (owner);
