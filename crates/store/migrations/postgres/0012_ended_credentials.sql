-- Whether a signing key was given by configuration: of such a one a fingerprint stays when it has ended, so that it does
-- not begin anew at the next start. Of those that are there already nobody knows.
ALTER TABLE signing_keys ADD COLUMN given BOOLEAN NOT NULL DEFAULT TRUE;

-- Who made a link: it holds only as long as they may make one. All zeros is the program itself; links that are there
-- already count as its own, and last a day at most.
ALTER TABLE reset_links ADD COLUMN made_by TEXT NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
-- Whether using it revokes the account's access tokens.
ALTER TABLE reset_links ADD COLUMN revoke_tokens BOOLEAN NOT NULL DEFAULT FALSE;

-- By what people name an identity.
ALTER TABLE identities ADD COLUMN id TEXT NOT NULL DEFAULT '';
UPDATE identities SET id = gen_random_uuid()::text;
CREATE UNIQUE INDEX identities_by_id ON identities (id);
