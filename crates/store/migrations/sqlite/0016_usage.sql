-- What flags were asked for, shown and led to. These are no changes: nothing of it is logged, and what belongs to an
-- environment that has gone is removed piece by piece, so nothing here names its row.

-- The batches of events that were taken, remembered for as long as one may be sent again.
CREATE TABLE usage_batches (
    project_id     TEXT   NOT NULL,
    environment_id TEXT   NOT NULL,
    -- As the sender named it.
    batch_id       TEXT   NOT NULL,
    at             BIGINT NOT NULL,
    accepted       BIGINT NOT NULL,
    skipped        BIGINT NOT NULL,
    rejected       BIGINT NOT NULL,
    PRIMARY KEY (project_id, environment_id, batch_id)
) WITHOUT ROWID;

CREATE INDEX usage_batches_by_time ON usage_batches (project_id, environment_id, at);

-- Evaluations by minute.
CREATE TABLE usage_minutes (
    project_id     TEXT   NOT NULL,
    environment_id TEXT   NOT NULL,
    -- Key of the flag.
    flag           TEXT   NOT NULL,
    -- When the minute began.
    at             BIGINT NOT NULL,
    -- Empty where none was given.
    variant        TEXT   NOT NULL,
    reason         TEXT   NOT NULL,
    -- Of the flag; 0 if it is not known.
    version        BIGINT NOT NULL,
    -- Stays where it is when it is full, at 2^53 - 1.
    n              BIGINT NOT NULL,
    PRIMARY KEY (project_id, environment_id, flag, at, variant, reason, version)
) WITHOUT ROWID;

CREATE INDEX usage_minutes_by_time ON usage_minutes (project_id, environment_id, at);

-- The same by hour, which minutes become after two days.
CREATE TABLE usage_hours (
    project_id     TEXT   NOT NULL,
    environment_id TEXT   NOT NULL,
    flag           TEXT   NOT NULL,
    at             BIGINT NOT NULL,
    variant        TEXT   NOT NULL,
    reason         TEXT   NOT NULL,
    version        BIGINT NOT NULL,
    n              BIGINT NOT NULL,
    PRIMARY KEY (project_id, environment_id, flag, at, variant, reason, version)
) WITHOUT ROWID;

CREATE INDEX usage_hours_by_time ON usage_hours (project_id, environment_id, at);

-- Who was shown which variant of a split that is tracked, once for each unit and version of the flag.
CREATE TABLE usage_exposures (
    project_id     TEXT   NOT NULL,
    environment_id TEXT   NOT NULL,
    flag           TEXT   NOT NULL,
    version        BIGINT NOT NULL,
    -- What the split divides by: a user's id, for example.
    unit           TEXT   NOT NULL,
    variant        TEXT   NOT NULL,
    -- Id of the rule; empty if the default answered.
    rule           TEXT   NOT NULL,
    at             BIGINT NOT NULL,
    PRIMARY KEY (project_id, environment_id, flag, version, unit)
) WITHOUT ROWID;

CREATE INDEX usage_exposures_by_time ON usage_exposures (project_id, environment_id, at);
CREATE INDEX usage_exposures_by_variant ON usage_exposures (project_id, environment_id, flag, at, version, variant);

-- What was measured.
CREATE TABLE usage_metrics (
    project_id     TEXT             NOT NULL,
    environment_id TEXT             NOT NULL,
    id             TEXT             NOT NULL,
    name           TEXT             NOT NULL,
    value          DOUBLE PRECISION NOT NULL,
    unit           TEXT,
    flag           TEXT,
    variant        TEXT,
    at             BIGINT           NOT NULL,
    PRIMARY KEY (project_id, environment_id, id)
) WITHOUT ROWID;

CREATE INDEX usage_metrics_by_time ON usage_metrics (project_id, environment_id, at);
-- With all that is told of a flag's metrics, so the rows need not be read.
CREATE INDEX usage_metrics_by_flag ON usage_metrics (project_id, environment_id, flag, at, name, variant, value);
