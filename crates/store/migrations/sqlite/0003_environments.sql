-- What people see of an environment besides its name, and the revision of its last change.
ALTER TABLE environments ADD COLUMN description TEXT NOT NULL DEFAULT '';
-- `#` and six hexadecimal digits.
ALTER TABLE environments ADD COLUMN color TEXT NOT NULL DEFAULT '#607d8b';
ALTER TABLE environments ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
UPDATE environments SET version = snapshot_revision;

-- What people should know of a flag's life. Nothing of it changes an answer.
ALTER TABLE flags ADD COLUMN lifecycle TEXT NOT NULL DEFAULT 'active';
ALTER TABLE flags ADD COLUMN owner TEXT;
ALTER TABLE flags ADD COLUMN temporary BOOLEAN NOT NULL DEFAULT FALSE;
-- A day: four digits, two and two, so that texts sort as days do.
ALTER TABLE flags ADD COLUMN expected_end TEXT;
