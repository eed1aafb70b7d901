-- How many bytes the answers have that are kept for each account (idempotency_keys), so that they can be bounded
-- without being counted each time.
CREATE TABLE idempotency_bytes (
    account_id TEXT   NOT NULL PRIMARY KEY,
    bytes      BIGINT NOT NULL
);

-- Requests are told from one another in a new way, by which those noted before would all be other ones. They would be
-- forgotten within a day in any case.
DELETE FROM idempotency_keys;
