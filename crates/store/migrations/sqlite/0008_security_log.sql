-- The log is found by who and what as well, page by page along an index, and by time.
CREATE INDEX changes_by_actor ON changes (project_id, actor, revision);
CREATE INDEX changes_by_action ON changes (project_id, action, revision);
CREATE INDEX changes_by_time ON changes (project_id, at, revision);

-- Up to where a chain's entries were removed, and the hash of the last one that was: what is left leads on from it.
CREATE TABLE checkpoints (
    project_id TEXT   NOT NULL PRIMARY KEY REFERENCES chains (project_id),
    revision   BIGINT NOT NULL,
    hash       BLOB   NOT NULL
);

-- Which changes of the project must say why: none, protected or all.
ALTER TABLE projects ADD COLUMN comment_required TEXT NOT NULL DEFAULT 'none';

-- What is no change: sign-ins, failures, refusals. A chain of its own, of the whole instance.
CREATE TABLE security_events (
    revision BIGINT NOT NULL PRIMARY KEY,
    -- The first and the last time that it happened.
    at       BIGINT NOT NULL,
    last_at  BIGINT NOT NULL,
    count    BIGINT NOT NULL,
    kind     TEXT   NOT NULL,
    actor    TEXT   NOT NULL,
    address  TEXT   NOT NULL,
    subject  TEXT   NOT NULL,
    detail   TEXT   NOT NULL,
    hash     BLOB   NOT NULL
);

CREATE INDEX security_events_by_kind ON security_events (kind, revision);
CREATE INDEX security_events_by_actor ON security_events (actor, revision);
CREATE INDEX security_events_by_address ON security_events (address, revision);
CREATE INDEX security_events_by_time ON security_events (at, revision);

-- Its end, and up to where it was removed. The row is the lock under which the chain grows.
CREATE TABLE security_chain (
    id              INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    revision        BIGINT  NOT NULL,
    hash            BLOB    NOT NULL,
    checkpoint      BIGINT  NOT NULL,
    checkpoint_hash BLOB    NOT NULL
);

INSERT INTO security_chain (id, revision, hash, checkpoint, checkpoint_hash)
VALUES (1, 0, zeroblob(32), 0, zeroblob(32));
