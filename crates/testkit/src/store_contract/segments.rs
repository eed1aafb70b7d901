//! Segments, key lists and context fields.

use anyhow::{Context, Result, ensure};
use domain::context_field::{ContextField, FieldKind};
use domain::log::{Change, ReadVersion, Write};
use domain::ports::{CommitError, KEY_LIST_PIECE, KeyedFilter};
use domain::segment::{KeySet, Segment, SegmentConfig, SegmentHere};
use domain::time::Timestamp;
use engine::model::{Keys, Revision};
use serde_json::{from_value, json};

use super::world::{NOW, World, key};

impl World {
    /// A segment, not yet written.
    pub(super) fn segment(&self, name: &str) -> Result<Segment> {
        Ok(Segment {
            id: self.id(),
            project_id: self.project_id,
            key: key(name)?,
            name: String::new(),
            description: String::new(),
            version: 0,
            created_at: NOW,
            updated_at: NOW,
        })
    }

    /// The segment's config in an environment by its position, not yet written.
    pub(super) fn segment_config(&self, segment: &Segment, place: usize) -> Result<SegmentConfig> {
        let environment = self.environments.get(place).context("no such environment")?;
        Ok(SegmentConfig {
            segment_id: segment.id,
            environment_id: environment.id,
            when: Some(from_value(json!({"attribute": "plan", "operator": "in", "list": "tiers"}))?),
            included: Keys::Inline(vec!["u1".to_owned(), "ü \u{1F6A9} \"\\".to_owned()]),
            excluded: Keys::default(),
            version: 0,
            updated_at: NOW,
        })
    }

    /// Makes a segment with a config in every environment. It comes back with its version.
    pub(super) async fn create_segment(&self, mut segment: Segment) -> Result<Segment> {
        let mut writes = vec![Write::CreateSegment(segment.clone())];
        for place in 0..self.environments.len() {
            writes.push(Write::CreateSegmentConfig(self.segment_config(&segment, place)?));
        }
        segment.version = self.write(writes).await?;
        Ok(segment)
    }

    /// A context field, not yet written.
    pub(super) fn field(&self, name: &str) -> Result<ContextField> {
        Ok(ContextField {
            id: self.id(),
            project_id: self.project_id,
            key: key(name)?,
            name: format!("Name of {name}"),
            kind: FieldKind::List,
            description: String::new(),
            values: vec![json!("gold"), json!(10.0), json!(10), json!(true), json!("ü\u{0}")],
            version: 0,
            created_at: NOW,
            updated_at: NOW,
        })
    }

    async fn revisions(&self) -> Result<Vec<Revision>> {
        let mut revisions = Vec::new();
        for place in 0..self.environments.len() {
            revisions.push(self.snapshot(place).await?.revision);
        }
        Ok(revisions)
    }
}

fn deletion(segment: &Segment) -> Write {
    Write::DeleteSegment { id: segment.id, key: segment.key.clone() }
}

pub(super) async fn segments_come_back_whole(world: World) -> Result<()> {
    let (name, description) = ("Größe \u{1F6A9} ' %".to_owned(), "line\nline".to_owned());
    let segment = Segment { name, description, ..world.segment("beta")? };
    let segment = world.create_segment(segment).await?;
    let found = world.store.segment(world.project_id, &segment.key).await?.context("it is not there")?;
    ensure!(found.segment == segment, "{:?}", found.segment);
    for (place, config) in found.configs.iter().enumerate() {
        let version = segment.version;
        ensure!(*config == SegmentConfig { version, ..world.segment_config(&segment, place)? }, "{config:?}");
        let snapshot = world.snapshot(place).await?;
        ensure!(*snapshot.segments["beta"] == config.document(), "{:?}", snapshot.segments);
    }
    ensure!(found.configs.len() == 3, "a config for each environment, by position");
    ensure!(world.store.segment(world.project_id, &key("other")?).await?.is_none());
    ensure!(world.store.segment(world.id(), &segment.key).await?.is_none(), "another project has it");
    let nowhere = Segment { id: world.id(), ..world.segment("nowhere")? };
    world.write(vec![Write::CreateSegment(nowhere)]).await?;
    ensure!(world.snapshot(0).await?.segments.len() == 1, "without a config it is not there");
    Ok(())
}

pub(super) async fn a_segments_change_reaches_its_environment_alone(world: World) -> Result<()> {
    let segment = world.create_segment(world.segment("beta")?).await?;
    let created = segment.version;
    ensure!(world.revisions().await? == [created; 3]);
    let config = SegmentConfig { when: None, ..world.segment_config(&segment, 1)? };
    let changed = world.write(vec![Write::UpdateSegmentConfig(config.clone())]).await?;
    ensure!(world.revisions().await? == [created, changed, created]);
    let delta = world.store.changes_since(world.environments[1].id, created).await?;
    let delta = delta.context("no environment")?;
    let told = delta.segments["beta"].as_deref();
    ensure!(told == Some(&config.document()), "{delta:?}");
    ensure!(delta.flags.is_empty() && delta.lists.is_empty());
    let renamed = Segment { name: "new".to_owned(), ..segment.clone() };
    world.write(vec![Write::UpdateSegment(renamed)]).await?;
    ensure!(world.revisions().await? == [created, changed, created], "a name travels to nobody");
    let deleted = world.write(vec![deletion(&segment)]).await?;
    ensure!(world.revisions().await? == [deleted; 3]);
    let delta = world.store.changes_since(world.environments[0].id, created).await?;
    ensure!(delta.context("no environment")?.segments["beta"].is_none());
    ensure!(world.snapshot(0).await?.segments.is_empty());
    Ok(())
}

pub(super) async fn a_context_field_is_a_list_everywhere(world: World) -> Result<()> {
    let field = world.field("tiers")?;
    let made = world.write(vec![Write::CreateContextField(field.clone())]).await?;
    let expected = ContextField { version: made, ..field.clone() };
    let found = world.store.context_field(world.project_id, &field.key).await?;
    ensure!(found == Some(expected), "{found:?}");
    ensure!(world.revisions().await? == [made; 3]);
    let listed = world.snapshot(2).await?;
    ensure!(listed.lists["tiers"].known().map(|list| &list.0) == Some(&field.values), "{:?}", listed.lists);
    let edited = ContextField { name: "Tier".to_owned(), values: vec![json!("iron")], ..field.clone() };
    let changed = world.write(vec![Write::UpdateContextField(edited)]).await?;
    let delta = world.store.changes_since(world.environments[0].id, made).await?.context("no environment")?;
    let told = delta.lists["tiers"].as_ref().and_then(|list| list.known());
    ensure!(told.map(|list| list.0.as_slice()) == Some(&[json!("iron")]), "{delta:?}");
    ensure!(delta.flags.is_empty() && delta.segments.is_empty());
    world.write(vec![Write::DeleteContextField { id: field.id, key: field.key.clone() }]).await?;
    let delta = world.store.changes_since(world.environments[0].id, changed).await?;
    ensure!(delta.context("no environment")?.lists["tiers"].is_none());
    ensure!(world.snapshot(0).await?.lists.is_empty());
    ensure!(world.store.context_field(world.project_id, &field.key).await?.is_none());
    Ok(())
}

pub(super) async fn segments_and_fields_come_in_pages_by_key(world: World) -> Result<()> {
    for name in ["b", "a", "a_b", "aXb", "B"] {
        let named = format!("name of {name}");
        world.create_segment(Segment { name: named.clone(), ..world.segment(name)? }).await?;
        let field = ContextField { name: named, ..world.field(name)? };
        world.write(vec![Write::CreateContextField(field)]).await?;
    }
    let find = async |search: &str,
                      prefix: &str,
                      after: Option<&str>,
                      limit: u32|
           -> Result<(Vec<String>, u64, bool)> {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let after = after.map(key).transpose()?;
        let filter = KeyedFilter { search: text(search), prefix: text(prefix), after, limit };
        let segments = world.store.segments(&world.environments[0], &filter).await?;
        let fields = world.store.context_fields(world.project_id, &filter).await?;
        let keys: Vec<_> = segments.items.iter().map(|summary| summary.segment.key.to_string()).collect();
        let of_fields: Vec<_> = fields.items.iter().map(|field| field.key.to_string()).collect();
        ensure!(keys == of_fields, "{keys:?} {of_fields:?}");
        ensure!((segments.total, segments.more) == (fields.total, fields.more));
        ensure!(segments.items.iter().all(|one| (one.included_count, one.excluded_count) == (2, 0)));
        ensure!(segments.items.iter().all(|one| one.when.is_some() && one.version == one.segment.version));
        let total = segments.total.context("they were not counted")?;
        Ok((keys, total, segments.more))
    };
    let texts = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    ensure!(find("", "", None, 2).await? == (texts(&["B", "a"]), 5, true));
    ensure!(find("", "", Some("a"), 2).await? == (texts(&["aXb", "a_b"]), 5, true));
    ensure!(find("", "", Some("a_b"), 2).await? == (texts(&["b"]), 5, false));
    ensure!(find("OF A_", "", None, 9).await? == (texts(&["a_b"]), 1, false), "an underscore is one");
    ensure!(find("", "a", None, 9).await? == (texts(&["a", "aXb", "a_b"]), 3, false));
    ensure!(find("", "A", None, 9).await?.1 == 0, "keys are case-sensitive");
    ensure!(find("", "of", None, 9).await?.1 == 0, "a prefix is the beginning of the key");
    ensure!(find("\0", "", None, 9).await?.1 == 0);
    ensure!(find("", "\0", None, 9).await?.1 == 0);
    Ok(())
}

pub(super) async fn stale_segments_and_fields_are_refused(world: World) -> Result<()> {
    let segment = world.create_segment(world.segment("beta")?).await?;
    let (segment_id, environment_id) = (segment.id, world.environments[0].id);
    let field = world.field("tiers")?;
    let field_version = world.write(vec![Write::CreateContextField(field.clone())]).await?;
    let update = Write::UpdateSegmentConfig(world.segment_config(&segment, 0)?);
    let version = world.write(vec![update]).await?;
    let decided_upon = |reads: Vec<ReadVersion>| Change { reads, ..world.in_project(Vec::new()) };
    let config = |version| ReadVersion::SegmentConfig { segment_id, environment_id, version };
    let own = |version| ReadVersion::Segment { id: segment_id, version };
    let known = |version| ReadVersion::ContextField { id: field.id, version };
    let current = [own(segment.version), config(version), known(field_version)];
    world.store.commit(decided_upon(current.to_vec())).await?;
    let stale = [
        own(segment.version - 1),
        own(version),
        ReadVersion::Segment { id: world.id(), version: segment.version },
        config(segment.version),
        ReadVersion::SegmentConfig { segment_id, environment_id: world.id(), version },
        known(field_version - 1),
        ReadVersion::ContextField { id: world.id(), version: field_version },
    ];
    for read in stale {
        let error = world.store.commit(decided_upon(vec![read])).await.err();
        ensure!(matches!(error, Some(CommitError::Stale)), "{read:?}: {error:?}");
    }
    Ok(())
}

pub(super) async fn segments_and_fields_are_themselves(world: World) -> Result<()> {
    let segment = world.create_segment(world.segment("beta")?).await?;
    let field = world.field("tiers")?;
    world.write(vec![Write::CreateContextField(field.clone())]).await?;
    let taken = [
        ("segment", Write::CreateSegment(world.segment("beta")?)),
        ("segment", Write::CreateSegment(Segment { id: segment.id, ..world.segment("other")? })),
        ("segment config", Write::CreateSegmentConfig(world.segment_config(&segment, 0)?)),
        ("context_field", Write::CreateContextField(world.field("tiers")?)),
        ("context_field", Write::CreateContextField(ContextField { id: field.id, ..world.field("other")? })),
    ];
    for (expected, write) in taken {
        let error = world.store.commit(world.in_project(vec![write])).await.err();
        let is_taken = matches!(error, Some(CommitError::Taken { what }) if what == expected);
        ensure!(is_taken, "{expected}: {error:?}");
    }
    let other = world.segment("other")?;
    let stale = [
        Write::UpdateSegment(other.clone()),
        Write::UpdateSegment(Segment { key: key("other")?, ..segment.clone() }),
        Write::UpdateSegmentConfig(world.segment_config(&other, 0)?),
        deletion(&other),
        Write::DeleteSegment { id: segment.id, key: key("other")? },
        Write::UpdateContextField(world.field("other")?),
        Write::UpdateContextField(ContextField { key: key("other")?, ..field.clone() }),
        Write::DeleteContextField { id: field.id, key: key("other")? },
    ];
    for write in stale {
        let tried = format!("{write:?}");
        let error = world.store.commit(world.in_project(vec![write])).await.err();
        ensure!(matches!(error, Some(CommitError::Stale)), "{tried}: {error:?}");
    }
    Ok(())
}

/// More than one piece, in every store.
fn large(prefix: &str) -> KeySet {
    (0..40_000).map(|index| format!("{prefix}-{index:0>12}")).collect()
}

async fn fetch(world: &World, sha256: &str) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    for position in 0.. {
        match world.store.key_list_chunk(world.project_id, sha256, position).await? {
            Some(piece) => bytes.extend(piece),
            None if position == 0 => return Ok(None),
            None => break,
        }
    }
    Ok(Some(bytes))
}

pub(super) async fn a_key_list_comes_back_byte_for_byte(world: World) -> Result<()> {
    let keys = large("ü");
    let has = async |project, sha256| world.store.has_key_list(project, sha256).await;
    ensure!(fetch(&world, keys.sha256()).await?.is_none());
    ensure!(!has(world.project_id, keys.sha256()).await?);
    for _ in 0..2 {
        world.store.put_key_list(world.project_id, &keys, NOW).await?;
        ensure!(has(world.project_id, keys.sha256()).await?);
        let bytes = fetch(&world, keys.sha256()).await?.context("it is not there")?;
        ensure!(bytes == keys.bytes(), "{} bytes came back of {}", bytes.len(), keys.bytes().len());
    }
    let first = world.store.key_list_chunk(world.project_id, keys.sha256(), 0).await?;
    ensure!(first.is_some_and(|first| first == keys.bytes()[..KEY_LIST_PIECE]), "it is cut elsewhere");
    let length = world.store.key_list_length(world.project_id, keys.sha256()).await?;
    ensure!(length == Some(keys.bytes().len() as u64), "{length:?}");
    ensure!(world.store.key_list_length(world.id(), keys.sha256()).await?.is_none(), "another project's");
    ensure!(world.store.key_list_length(world.project_id, "\0").await?.is_none());
    ensure!(world.store.key_list_length(world.project_id, large("u").sha256()).await?.is_none());
    ensure!(world.store.key_list_chunk(world.id(), keys.sha256(), 0).await?.is_none(), "another project's");
    ensure!(world.store.key_list_chunk(world.project_id, "\0", 0).await?.is_none());
    ensure!(!has(world.id(), keys.sha256()).await?, "another project's");
    ensure!(!has(world.project_id, "\0").await? && !has(world.project_id, large("u").sha256()).await?);
    ensure!(world.store.key_list_chunk(world.project_id, keys.sha256(), u32::MAX).await?.is_none());
    Ok(())
}

pub(super) async fn a_list_that_is_not_there_cannot_be_named(world: World) -> Result<()> {
    let segment = world.create_segment(world.segment("beta")?).await?;
    let keys = large("u");
    let naming = SegmentConfig { excluded: keys.to_keys(), ..world.segment_config(&segment, 0)? };
    let write = || world.in_project(vec![Write::UpdateSegmentConfig(naming.clone())]);
    let error = world.store.commit(write()).await.err();
    ensure!(matches!(error, Some(CommitError::Stale)), "{error:?}");
    world.store.put_key_list(world.project_id, &keys, NOW).await?;
    world.store.commit(write()).await?;
    let found = world.store.segment(world.project_id, &segment.key).await?.context("it is gone")?;
    ensure!(found.configs[0].excluded == keys.to_keys());
    let snapshot = world.snapshot(0).await?;
    let travelling = snapshot.segments["beta"].known().context("it does not read")?;
    ensure!(travelling.excluded.blob() == Some(keys.sha256()));
    Ok(())
}

pub(super) async fn only_lists_that_nothing_names_are_swept(world: World) -> Result<()> {
    let later = |millis: i64| Timestamp::from_millis(NOW.as_millis() + millis);
    let sweep = async |before| world.store.sweep_key_lists(world.project_id, before).await;
    let (named, orphan) = (large("named"), large("orphan"));
    for keys in [&named, &orphan] {
        world.store.put_key_list(world.project_id, keys, NOW).await?;
    }
    let segment = world.create_segment(world.segment("beta")?).await?;
    let config = SegmentConfig { included: named.to_keys(), ..world.segment_config(&segment, 0)? };
    world.write(vec![Write::UpdateSegmentConfig(config)]).await?;
    ensure!(sweep(NOW).await? == 0, "one that was put just now is spared");
    world.store.put_key_list(world.project_id, &orphan, later(10)).await?;
    ensure!(sweep(later(10)).await? == 0, "put again, it is spared anew");
    ensure!(world.store.sweep_key_lists(world.id(), later(100)).await? == 0, "another project's");
    ensure!(sweep(later(100)).await? == 1);
    ensure!(fetch(&world, orphan.sha256()).await?.is_none());
    ensure!(fetch(&world, named.sha256()).await?.is_some(), "it is still named");
    let released = Change { at: later(1_000), ..world.in_project(vec![deletion(&segment)]) };
    world.store.commit(released).await?;
    ensure!(sweep(later(1_000)).await? == 0, "one that was named until now is spared");
    ensure!(sweep(later(1_001)).await? == 1);
    ensure!(fetch(&world, named.sha256()).await?.is_none());
    Ok(())
}

pub(super) async fn an_environment_is_filled_with_segments(world: World) -> Result<()> {
    let keys = large("u");
    world.store.put_key_list(world.project_id, &keys, NOW).await?;
    let segment = world.create_segment(world.segment("beta")?).await?;
    let config = SegmentConfig { included: keys.to_keys(), ..world.segment_config(&segment, 1)? };
    world.write(vec![Write::UpdateSegmentConfig(config.clone())]).await?;
    let mut revisions = Vec::new();
    for (name, from) in [("copy", Some(world.environments[1].id)), ("empty", None)] {
        let environment = world.environment(world.project_id, name, 9)?;
        let fill = Write::FillSegments { environment_id: environment.id, from, at: NOW };
        let version = world.write(vec![Write::CreateEnvironment(environment.clone()), fill]).await?;
        let found = world.store.segment(world.project_id, &segment.key).await?.context("it is gone")?;
        let SegmentHere { config: made, .. } = found.here(environment.id).context("it has no config")?;
        let expected = match from {
            Some(_) => config.clone(),
            None => SegmentConfig { when: None, included: Keys::default(), ..config.clone() },
        };
        let expected = SegmentConfig { environment_id: environment.id, version, ..expected };
        ensure!(made == expected, "{name}: {made:?}");
        let snapshot = world.store.snapshot(environment.id).await?.context("no environment")?;
        ensure!(*snapshot.segments["beta"] == expected.document());
        let delta =
            world.store.changes_since(environment.id, version - 1).await?.context("no environment")?;
        ensure!(delta.segments.contains_key("beta"), "{name}: its readers are not told");
        revisions.push(version);
    }
    ensure!(world.snapshot(1).await?.revision < revisions[0], "where it was copied from nothing changed");
    Ok(())
}
