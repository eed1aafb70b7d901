//! Segments, key lists and context fields, with the rules that a database keeps by its constraints.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::context_field::ContextField;
use domain::environment::Environment;
use domain::id::Id;
use domain::key::Key;
use domain::ports::{CommitError, KEY_LIST_PIECE, KeyedFilter};
use domain::segment::{KeySet, Segment, SegmentConfig, SegmentEverywhere, SegmentHere, SegmentSummary};
use domain::time::Timestamp;
use engine::model::{Keys, Revision};

use super::tables::{Applied, Effects, Of, Tables, dangling, free};

/// Cheap to copy: what is large is shared.
#[derive(Clone, Default)]
pub(super) struct SegmentTables {
    /// By project and key, so in the order of lists.
    segments: BTreeMap<(Id, Key), Arc<Segment>>,
    /// By segment and environment.
    configs: BTreeMap<(Id, Id), Arc<SegmentConfig>>,
    /// By project and key, so in the order of lists.
    fields: BTreeMap<(Id, Key), Arc<ContextField>>,
    /// By project and name.
    key_lists: BTreeMap<(Id, String), StoredList>,
}

#[derive(Clone)]
struct StoredList {
    keys: Arc<KeySet>,
    used_at: Timestamp,
}

impl SegmentTables {
    pub(super) fn has_segment(&self, id: Id, version: Revision) -> bool {
        self.segments.values().any(|segment| segment.id == id && segment.version == version)
    }

    pub(super) fn has_config(&self, segment_id: Id, environment_id: Id, version: Revision) -> bool {
        let config = self.configs.get(&(segment_id, environment_id));
        config.is_some_and(|config| config.version == version)
    }

    pub(super) fn has_field(&self, id: Id, version: Revision) -> bool {
        self.fields.values().any(|field| field.id == id && field.version == version)
    }

    pub(super) fn forget_project(&mut self, id: Id) {
        let gone = |segment: &Arc<Segment>| segment.project_id == id;
        let ids: Vec<_> =
            self.segments.values().filter(|segment| gone(segment)).map(|segment| segment.id).collect();
        self.configs.retain(|(segment_id, _), _| !ids.contains(segment_id));
        self.segments.retain(|(project_id, _), _| *project_id != id);
        self.fields.retain(|(project_id, _), _| *project_id != id);
        self.key_lists.retain(|(project_id, _), _| *project_id != id);
    }

    /// How many there are in a project.
    pub(super) fn segments_of(&self, project_id: Id) -> usize {
        self.segments.keys().filter(|(id, _)| *id == project_id).count()
    }

    pub(super) fn forget_environment(&mut self, id: Id) {
        self.configs.retain(|(_, environment_id), _| *environment_id != id);
    }

    fn key_of(&self, segment_id: Id) -> Option<&Key> {
        self.segments.values().find(|segment| segment.id == segment_id).map(|segment| &segment.key)
    }

    fn known(&self, project_id: Id, id: Id, key: &Key) -> Applied {
        let segment = self.segments.get(&(project_id, key.clone()));
        if segment.is_some_and(|segment| segment.id == id) { Ok(()) } else { Err(CommitError::Stale) }
    }

    fn known_field(&self, project_id: Id, id: Id, key: &Key) -> Applied {
        let field = self.fields.get(&(project_id, key.clone()));
        if field.is_some_and(|field| field.id == id) { Ok(()) } else { Err(CommitError::Stale) }
    }

    /// The lists that a config names must be there.
    fn use_lists(&mut self, project_id: Id, config: &SegmentConfig, at: Timestamp) -> Applied {
        for sha256 in names(config) {
            let list = self.key_lists.get_mut(&(project_id, sha256.to_owned()));
            list.ok_or(CommitError::Stale)?.used_at = at;
        }
        Ok(())
    }

    /// What is named until now was used until now.
    fn release_lists(&mut self, project_id: Id, segment_id: Id, at: Timestamp) {
        let configs = self.configs.values().filter(|config| config.segment_id == segment_id);
        for sha256 in configs.flat_map(|config| names(config)) {
            if let Some(list) = self.key_lists.get_mut(&(project_id, sha256.to_owned())) {
                list.used_at = at;
            }
        }
    }

    pub(super) fn put_key_list(&mut self, project_id: Id, keys: &KeySet, used_at: Timestamp) {
        let name = (project_id, keys.sha256().to_owned());
        let list = self.key_lists.entry(name);
        list.or_insert_with(|| StoredList { keys: Arc::new(keys.clone()), used_at }).used_at = used_at;
    }

    pub(super) fn has_key_list(&self, project_id: Id, sha256: &str) -> bool {
        self.key_lists.contains_key(&(project_id, sha256.to_owned()))
    }

    pub(super) fn key_list_length(&self, project_id: Id, sha256: &str) -> Option<u64> {
        let list = self.key_lists.get(&(project_id, sha256.to_owned()))?;
        Some(list.keys.bytes().len() as u64)
    }

    pub(super) fn key_list_chunk(&self, project_id: Id, sha256: &str, position: u32) -> Option<Vec<u8>> {
        let list = self.key_lists.get(&(project_id, sha256.to_owned()))?;
        let mut pieces = list.keys.bytes().chunks(KEY_LIST_PIECE);
        pieces.nth(usize::try_from(position).ok()?).map(<[u8]>::to_vec)
    }

    pub(super) fn sweep_key_lists(&mut self, project_id: Id, before: Timestamp) -> u64 {
        let held = self.key_lists.len();
        let configs = &self.configs;
        let named = |sha256: &str| configs.values().any(|config| names(config).any(|name| name == sha256));
        self.key_lists.retain(|(project, sha256), list| {
            *project != project_id || list.used_at >= before || named(sha256)
        });
        (held - self.key_lists.len()) as u64
    }

    pub(super) fn segment_in(&self, environment: &Environment, key: &Key) -> Option<SegmentHere> {
        self.here(environment, self.segments.get(&(environment.project_id, key.clone()))?)
    }

    /// By key.
    pub(super) fn segments_in<'a>(
        &'a self,
        environment: &'a Environment,
    ) -> impl Iterator<Item = SegmentHere> + 'a {
        let own = self.segments.values().filter(|segment| segment.project_id == environment.project_id);
        own.filter_map(|segment| self.here(environment, segment))
    }

    fn here(&self, environment: &Environment, segment: &Segment) -> Option<SegmentHere> {
        let config = self.configs.get(&(segment.id, environment.id))?;
        Some(SegmentHere { segment: segment.clone(), config: SegmentConfig::clone(config) })
    }

    pub(super) fn segment(
        &self,
        environments: &[Environment],
        project_id: Id,
        key: &Key,
    ) -> Option<SegmentEverywhere> {
        let segment = self.segments.get(&(project_id, key.clone()))?;
        let configs = environments.iter().filter_map(|environment| {
            self.configs.get(&(segment.id, environment.id)).map(|config| SegmentConfig::clone(config))
        });
        Some(SegmentEverywhere { configs: configs.collect(), segment: Segment::clone(segment) })
    }

    pub(super) fn field(&self, project_id: Id, key: &Key) -> Option<ContextField> {
        self.fields.get(&(project_id, key.clone())).map(|field| ContextField::clone(field))
    }

    /// By key.
    pub(super) fn fields_of(&self, project_id: Id) -> impl Iterator<Item = &ContextField> {
        self.fields.values().map(|field| &**field).filter(move |field| field.project_id == project_id)
    }
}

impl Tables {
    pub(super) fn create_segment(&mut self, segment: &Segment, revision: Revision) -> Applied {
        let taken = |other: &Arc<Segment>| {
            other.project_id == segment.project_id && (other.key == segment.key || other.id == segment.id)
        };
        free(!self.of_segments.segments.values().any(taken), "segment")?;
        self.put_segment(segment, revision);
        Ok(())
    }

    /// Readers are given configs only, so none of them hears of it.
    pub(super) fn update_segment(&mut self, segment: &Segment, revision: Revision) -> Applied {
        self.of_segments.known(segment.project_id, segment.id, &segment.key)?;
        self.put_segment(segment, revision);
        Ok(())
    }

    fn put_segment(&mut self, segment: &Segment, revision: Revision) {
        let place = (segment.project_id, segment.key.clone());
        let segment = Segment { version: revision, ..segment.clone() };
        self.of_segments.segments.insert(place, Arc::new(segment));
    }

    pub(super) fn delete_segment(
        &mut self,
        project_id: Id,
        id: Id,
        key: &Key,
        at: Timestamp,
        effects: &mut Effects,
    ) -> Applied {
        self.of_segments.known(project_id, id, key)?;
        self.of_segments.release_lists(project_id, id, at);
        self.of_segments.segments.remove(&(project_id, key.clone()));
        self.of_segments.configs.retain(|(segment_id, _), _| *segment_id != id);
        self.affect_everywhere(project_id, Of::Segment, key, effects);
        Ok(())
    }

    pub(super) fn create_segment_config(
        &mut self,
        project_id: Id,
        config: &SegmentConfig,
        at: Timestamp,
        revision: Revision,
        effects: &mut Effects,
    ) -> Applied {
        self.of_segments.use_lists(project_id, config, at)?;
        let place = (config.segment_id, config.environment_id);
        free(!self.of_segments.configs.contains_key(&place), "segment config")?;
        self.environments.get(&config.environment_id).ok_or_else(|| dangling("environment"))?;
        self.put_segment_config(config, revision, effects)
    }

    pub(super) fn update_segment_config(
        &mut self,
        project_id: Id,
        config: &SegmentConfig,
        at: Timestamp,
        revision: Revision,
        effects: &mut Effects,
    ) -> Applied {
        self.of_segments.use_lists(project_id, config, at)?;
        self.of_segments.release_lists(project_id, config.segment_id, at);
        if !self.of_segments.configs.contains_key(&(config.segment_id, config.environment_id)) {
            return Err(CommitError::Stale);
        }
        self.put_segment_config(config, revision, effects)
    }

    fn put_segment_config(
        &mut self,
        config: &SegmentConfig,
        revision: Revision,
        effects: &mut Effects,
    ) -> Applied {
        let key = self.of_segments.key_of(config.segment_id).ok_or_else(|| dangling("segment"))?;
        effects.push((config.environment_id, Of::Segment, key.clone()));
        let place = (config.segment_id, config.environment_id);
        let config = SegmentConfig { version: revision, ..config.clone() };
        self.of_segments.configs.insert(place, Arc::new(config));
        Ok(())
    }

    pub(super) fn fill_segments(
        &mut self,
        project_id: Id,
        environment_id: Id,
        from: Option<Id>,
        at: Timestamp,
        revision: Revision,
        effects: &mut Effects,
    ) -> Applied {
        let own = self.of_segments.segments.values().filter(|segment| segment.project_id == project_id);
        let ids: Vec<_> = own.map(|segment| segment.id).collect();
        for segment_id in ids {
            let source = from.map(|from| self.of_segments.configs.get(&(segment_id, from)));
            let config = match source {
                Some(None) => continue,
                Some(Some(source)) => SegmentConfig { environment_id, updated_at: at, ..(**source).clone() },
                None => SegmentConfig {
                    segment_id,
                    environment_id,
                    when: None,
                    included: Keys::default(),
                    excluded: Keys::default(),
                    version: revision,
                    updated_at: at,
                },
            };
            self.create_segment_config(project_id, &config, at, revision, effects)?;
        }
        Ok(())
    }

    pub(super) fn create_context_field(
        &mut self,
        field: &ContextField,
        revision: Revision,
        effects: &mut Effects,
    ) -> Applied {
        let taken = |other: &Arc<ContextField>| {
            other.project_id == field.project_id && (other.key == field.key || other.id == field.id)
        };
        free(!self.of_segments.fields.values().any(taken), "context_field")?;
        self.put_context_field(field, revision, effects);
        Ok(())
    }

    pub(super) fn update_context_field(
        &mut self,
        field: &ContextField,
        revision: Revision,
        effects: &mut Effects,
    ) -> Applied {
        self.of_segments.known_field(field.project_id, field.id, &field.key)?;
        self.put_context_field(field, revision, effects);
        Ok(())
    }

    fn put_context_field(&mut self, field: &ContextField, revision: Revision, effects: &mut Effects) {
        let place = (field.project_id, field.key.clone());
        let stored = ContextField { version: revision, ..field.clone() };
        self.of_segments.fields.insert(place, Arc::new(stored));
        self.affect_everywhere(field.project_id, Of::List, &field.key, effects);
    }

    pub(super) fn delete_context_field(
        &mut self,
        project_id: Id,
        id: Id,
        key: &Key,
        effects: &mut Effects,
    ) -> Applied {
        self.of_segments.known_field(project_id, id, key)?;
        self.of_segments.fields.remove(&(project_id, key.clone()));
        self.affect_everywhere(project_id, Of::List, key, effects);
        Ok(())
    }
}

/// The lists that a config names.
fn names(config: &SegmentConfig) -> impl Iterator<Item = &str> {
    [&config.included, &config.excluded].into_iter().filter_map(Keys::blob)
}

pub(super) fn summary(here: SegmentHere) -> SegmentSummary {
    let SegmentHere { segment, config } = here;
    SegmentSummary {
        segment,
        included_count: config.included.len(),
        excluded_count: config.excluded.len(),
        when: config.when,
        version: config.version,
        updated_at: config.updated_at,
    }
}

/// Whether something with this key and these texts is searched for.
pub(super) fn matches(filter: &KeyedFilter, key: &Key, texts: &[&str]) -> bool {
    let begins = filter.prefix.as_ref().is_none_or(|prefix| key.as_str().starts_with(prefix.as_str()));
    let found = filter.search.as_ref().is_none_or(|search| {
        let part = search.to_ascii_lowercase();
        let mut searched = std::iter::once(key.as_str()).chain(texts.iter().copied());
        searched.any(|text| text.to_ascii_lowercase().contains(&part))
    });
    begins && found
}
