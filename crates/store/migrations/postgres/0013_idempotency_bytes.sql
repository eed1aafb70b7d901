-- How many bytes the answers have that are kept for each account (idempotency_keys), so that they can be bounded
-- without being counted each time.
CREATE TABLE idempotency_bytes (
    account_id TEXT   NOT NULL PRIMARY KEY,
    bytes      BIGINT NOT NULL
);

INSERT INTO idempotency_bytes (account_id, bytes)
SELECT account_id, SUM(LENGTH(answer)) FROM idempotency_keys WHERE answer IS NOT NULL GROUP BY account_id;
