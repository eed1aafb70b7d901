-- What kind of account it is, whether it is let in, and the instance's revision of its last change.
-- Lists are sorted by e-mail, so by bytes.
ALTER TABLE accounts ALTER COLUMN email TYPE TEXT COLLATE "C";
ALTER TABLE accounts ADD COLUMN kind TEXT NOT NULL DEFAULT 'person';
ALTER TABLE accounts ADD COLUMN active BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE accounts ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
-- So far only service accounts had no password.
UPDATE accounts SET kind = 'service' WHERE password_hash IS NULL;

-- The hash of the token that makes the first admin, while there is one.
ALTER TABLE instance ADD COLUMN setup_hash TEXT;
ALTER TABLE instance ADD COLUMN setup_expires_at BIGINT;

ALTER TABLE access_tokens ADD COLUMN name TEXT NOT NULL DEFAULT 'ADMIN_API_KEY';
ALTER TABLE access_tokens ADD COLUMN hint TEXT NOT NULL DEFAULT '';
-- JSON: a list of permission words; null for all that the account may do.
ALTER TABLE access_tokens ADD COLUMN scopes TEXT;
ALTER TABLE access_tokens ADD COLUMN expires_at BIGINT;
ALTER TABLE access_tokens ADD COLUMN last_used_at BIGINT;

CREATE INDEX access_tokens_by_account ON access_tokens (account_id, created_at);

-- A key that is retired proves what it signed until then; a revoked one proves nothing, and of its secret only the
-- SHA-256 is left.
ALTER TABLE signing_keys ADD COLUMN verifies_until BIGINT;
ALTER TABLE signing_keys ADD COLUMN revoked_at BIGINT;
ALTER TABLE signing_keys ADD COLUMN fingerprint TEXT;

CREATE TABLE sessions (
    id           TEXT   NOT NULL PRIMARY KEY,
    account_id   TEXT   NOT NULL REFERENCES accounts (id),
    family       TEXT   NOT NULL UNIQUE,
    refresh_hash TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);

CREATE INDEX sessions_by_account ON sessions (account_id, created_at);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE reset_links (
    account_id TEXT   NOT NULL PRIMARY KEY REFERENCES accounts (id),
    hash       TEXT   NOT NULL UNIQUE,
    expires_at BIGINT NOT NULL
);
