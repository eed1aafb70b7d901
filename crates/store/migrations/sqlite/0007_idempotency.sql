-- Requests that may be asked again, under the key that their caller gave them. Each is forgotten a day after it began.
CREATE TABLE idempotency_keys (
    id              TEXT   NOT NULL PRIMARY KEY,
    account_id      TEXT   NOT NULL,
    -- SHA-256, in hexadecimal digits, of the key and of the credential that came with it.
    key_hash        TEXT   NOT NULL,
    credential_hash TEXT   NOT NULL,
    -- Of what was asked, keyed by the credential.
    fingerprint     TEXT   NOT NULL,
    begun_at        BIGINT NOT NULL,
    -- The sealed answer; empty if it is too large to be kept, null until there is one.
    answer          BLOB,
    UNIQUE (account_id, key_hash)
);

CREATE INDEX idempotency_keys_by_beginning ON idempotency_keys (begun_at);
