-- How many bytes the pieces of a list are together, so that a missing one is seen without reading them. What is there
-- already counts as long as it would be without gaps, all pieces but the last being of 256 KiB.
ALTER TABLE key_lists ADD COLUMN length BIGINT NOT NULL DEFAULT 1;
UPDATE key_lists SET length = (
    SELECT coalesce(sum(length(c.bytes)) + (max(c.position) + 1 - count(*)) * 262144, 1)
    FROM key_list_chunks c WHERE c.project_id = key_lists.project_id AND c.sha256 = key_lists.sha256);
