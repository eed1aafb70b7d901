//! What readers of an environment are given.

use anyhow::{Context, Result, ensure};
use domain::environment::Environment;
use domain::flag::{Config, Flag, Lifecycle, Lifetime, document};
use domain::log::{Chain, Write};
use domain::time::Day;
use engine::model::{Kind, SCHEMA, Variant};
use serde_json::{from_value, json};

use super::world::{EPOCH, World};

pub(super) async fn a_snapshot_says_what_was_written(world: World) -> Result<()> {
    let empty = world.snapshot(0).await?;
    ensure!(empty.flags.is_empty());
    let flag = world.create(world.flag("first")?).await?;
    let snapshot = world.snapshot(0).await?;
    ensure!(snapshot.schema == SCHEMA);
    ensure!(snapshot.epoch == EPOCH);
    ensure!(snapshot.project == "default");
    ensure!(snapshot.environment == "development");
    ensure!(snapshot.revision == flag.version);
    ensure!(snapshot.flags.keys().collect::<Vec<_>>() == ["first"]);
    let config = Config { version: flag.version, ..World::config(&flag, &world.environments[0]) };
    let found = snapshot.flags["first"].known().context("it does not read")?;
    ensure!(*found == document(&flag, &config), "{found:?}");

    let version = world.toggle(&flag, 0, true).await?;
    let snapshot = world.snapshot(0).await?;
    let found = snapshot.flags["first"].known().context("it does not read")?;
    ensure!(found.enabled);
    ensure!(found.version == version, "a config's change is a change of what travels");
    let elsewhere = world.snapshot(1).await?;
    let found = elsewhere.flags["first"].known().context("it does not read")?;
    ensure!(!found.enabled);
    ensure!(found.version == flag.version);
    Ok(())
}

pub(super) async fn documents_come_back_whole(world: World) -> Result<()> {
    let variant = |key: &str, value| Variant { key: key.to_owned(), value };
    let flag = Flag {
        kind: Kind::Object,
        name: "Größe \u{1F6A9} \"quoted\" \\ % _ '".to_owned(),
        description: "line\nline\ttab ".to_owned(),
        variants: vec![
            variant("small", json!({"z": [1, 2.5, -3, null], "a": {"text": "\u{0}\u{7f}ß"}})),
            variant("large", json!([9_007_199_254_740_991_i64, 10, 10.0, 1e21, "", {}])),
        ],
        tags: vec!["a".to_owned(), "Ünicode".to_owned()],
        client_visible: true,
        lifecycle: Lifecycle::Deprecated,
        archived: true,
        owner: Some("Ünit \u{1F6A9}".to_owned()),
        lifetime: Lifetime::Temporary { expected_end: Day::parse("2026-12-31") },
        ..world.flag("rich")?
    };
    let config = Config {
        enabled: true,
        off_variant: None,
        prerequisites: from_value(json!([{"flag": "other", "variants": ["on", "\u{0}"]}]))?,
        targets: from_value(json!([{"variant": "small", "keys": ["u1", "U1", "ü \u{0}"]}]))?,
        rules: from_value(json!([
            {"id": "r2", "priority": -5, "when": {"all": [
                {"attribute": "country", "operator": "in", "values": ["DE", "AT"]},
                {"not": {"any": [{"attribute": "a.b", "operator": "equals", "values": [1.5], "ignore_case": true}]}}]},
             "serve": {"split": [{"variant": "small", "weight": 1}, {"variant": "large", "weight": 99_999}],
                       "by": ["company.id", "targetingKey"], "hash": "fnv1a", "salt": "", "sticky": true, "track": true}},
            {"id": "r1", "priority": 7, "serve": null}]))?,
        default: from_value(json!({"variant": "large"}))?,
        ..World::config(&flag, &world.environments[0])
    };
    let writes = vec![Write::CreateFlag(flag.clone()), Write::CreateConfig(config.clone())];
    let version = world.write(writes).await?;
    let (flag, config) = (Flag { version, ..flag }, Config { version, ..config });
    let found = world.store.flag(world.project_id, &flag.key).await?.context("it is not there")?;
    ensure!(found.flag == flag, "{:?}", found.flag);
    ensure!(found.configs == [config.clone()], "{:?}", found.configs);
    let snapshot = world.snapshot(0).await?;
    let travelled = snapshot.flags["rich"].known().context("it does not read")?;
    ensure!(*travelled == document(&flag, &config), "{travelled:?}");
    ensure!(world.snapshot(1).await?.flags.is_empty(), "a flag without a config there is not there");
    Ok(())
}

pub(super) async fn a_deleted_flag_is_null(world: World) -> Result<()> {
    let flag = world.create(world.flag("brief")?).await?;
    let environment_id = world.environments[0].id;
    let revision = world.delete(&flag).await?;
    let delta = world.store.changes_since(environment_id, flag.version).await?.context("no environment")?;
    ensure!(delta.revision == revision);
    ensure!(delta.flags.len() == 1);
    ensure!(delta.flags["brief"].is_none());
    ensure!(world.snapshot(0).await?.flags.is_empty());
    ensure!(world.store.flag(world.project_id, &flag.key).await?.is_none());
    let later = world.store.changes_since(environment_id, revision).await?.context("no environment")?;
    ensure!(later.revision == revision);
    ensure!(later.flags.is_empty(), "a change is told once");
    Ok(())
}

pub(super) async fn versions_never_repeat(world: World) -> Result<()> {
    let mut last = 0;
    for _ in 0..3 {
        let flag = world.create(world.flag("again")?).await?;
        let found = world.store.flag(world.project_id, &flag.key).await?.context("it is not there")?;
        let versions = found.configs.iter().map(|config| config.version);
        for version in versions.chain([found.flag.version]) {
            ensure!(version == flag.version, "a version is the revision of its change");
            ensure!(version > last, "{version} came back");
        }
        last = world.toggle(&flag, 1, true).await?;
        world.delete(&flag).await?;
    }
    Ok(())
}

async fn revisions(world: &World) -> Result<[u64; 3]> {
    let [first, second, third] =
        [world.snapshot(0).await?, world.snapshot(1).await?, world.snapshot(2).await?];
    Ok([first.revision, second.revision, third.revision])
}

pub(super) async fn environments_move_only_when_affected(world: World) -> Result<()> {
    let flag = world.create(world.flag("one")?).await?;
    let created = flag.version;
    ensure!(revisions(&world).await? == [created; 3]);
    let toggled = world.toggle(&flag, 1, true).await?;
    ensure!(revisions(&world).await? == [created, toggled, created]);
    let updated = world.about(&flag, vec![Write::UpdateFlag(flag.clone())]).await?;
    ensure!(revisions(&world).await? == [updated; 3], "a definition is everywhere");
    world.write(Vec::new()).await?;
    world.store.commit(world.change(Chain::Instance, Vec::new())).await?;
    ensure!(revisions(&world).await? == [updated; 3], "it touched no flag");
    let (other, elsewhere) = (world.id(), world.snapshot(2).await?);
    world.make_project(other, "other").await?;
    let environment = world.environment(other, "development", 0)?;
    let write = Write::CreateEnvironment(environment);
    world.store.commit(world.change(Chain::Project(other), vec![write])).await?;
    let flag = Flag { project_id: other, ..world.flag("one")? };
    world.store.commit(world.change(Chain::Project(other), vec![Write::CreateFlag(flag)])).await?;
    ensure!(world.snapshot(2).await? == elsewhere, "another project's change reached it");
    Ok(())
}

pub(super) async fn an_unknown_environment_is_none(world: World) -> Result<()> {
    ensure!(world.store.snapshot(world.id()).await?.is_none());
    ensure!(world.store.changes_since(world.id(), 0).await?.is_none());
    ensure!(world.store.environments(world.id()).await?.is_empty());
    ensure!(world.store.project("none").await?.is_none());
    ensure!(world.store.project("a\0b").await?.is_none());
    ensure!(world.store.project("default").await?.is_some_and(|project| project.id == world.project_id));
    let environment_id = world.environments[0].id;
    let ahead = world.store.changes_since(environment_id, 1_000).await?.context("no environment")?;
    ensure!(ahead.revision == 1_000);
    ensure!(ahead.flags.is_empty());
    let last = world.store.changes_since(environment_id, u64::MAX).await?.context("no environment")?;
    ensure!(last.revision == u64::MAX);
    Ok(())
}

pub(super) async fn a_new_environment_starts_at_its_revision(world: World) -> Result<()> {
    let flag = world.create(world.flag("older")?).await?;
    let environment = world.environment(world.project_id, "preview", 7)?;
    let revision = world.write(vec![Write::CreateEnvironment(environment.clone())]).await?;
    let snapshot = world.store.snapshot(environment.id).await?.context("no environment")?;
    ensure!(snapshot.revision == revision);
    ensure!(snapshot.flags.is_empty(), "the older flag has no config there");
    let environments = world.store.environments(world.project_id).await?;
    let environment = Environment { version: revision, ..environment };
    ensure!(environments.last() == Some(&environment), "{environments:?}");
    let config = World::config(&flag, &environment);
    let revision = world.about(&flag, vec![Write::CreateConfig(config)]).await?;
    let snapshot = world.store.snapshot(environment.id).await?.context("no environment")?;
    ensure!(snapshot.revision == revision);
    ensure!(snapshot.flags.contains_key("older"));
    Ok(())
}
