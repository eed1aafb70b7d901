-- The token that took the place of one that was rotated. Of those that were rotated before nobody knows.
ALTER TABLE access_tokens ADD COLUMN replaced_by TEXT;

-- SHA-256 of what configuration gave and was taken, so that it is not taken again when it was ended: access tokens that
-- nobody was shown a hint of were given, and first admins' e-mails are kept from now on.
CREATE TABLE given (
    fingerprint TEXT NOT NULL PRIMARY KEY
);
INSERT INTO given (fingerprint) SELECT hash FROM access_tokens WHERE hint = '';
