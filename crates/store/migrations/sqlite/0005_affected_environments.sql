-- A change is found by the environments that it affected, not only by the one that it names. Of changes that were made
-- before, these are known: the last ones of what an environment has, and those that affect all of them.
INSERT INTO change_entities (project_id, entity_id, revision, kind, key)
SELECT DISTINCT e.project_id, e.environment_id, e.revision, 'environment', v.key
FROM effects e JOIN environments v ON v.project_id = e.project_id AND v.id = e.environment_id
WHERE TRUE ON CONFLICT DO NOTHING;

INSERT INTO change_entities (project_id, entity_id, revision, kind, key)
SELECT c.project_id, v.id, c.revision, 'environment', v.key
FROM changes c JOIN environments v ON v.project_id = c.project_id
WHERE c.at >= v.created_at AND c.action IN (
    'create_flag', 'delete_flag', 'create_segment', 'delete_segment', 'create_context_field',
    'update_context_field', 'delete_context_field')
ON CONFLICT DO NOTHING;
