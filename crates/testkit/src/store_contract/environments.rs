//! Environments come with configs of everything, and go with all that is in them.

use anyhow::{Context, Result, ensure};
use domain::environment::{Color, Environment};
use domain::flag::{Config, resting};
use domain::log::{Change, ReadVersion, Write};
use domain::ports::CommitError;
use serde_json::{from_value, json};

use super::sdk_keys::sdk_key;
use super::world::{NOW, World};

async fn found(world: &World, wanted: &Environment) -> Result<Option<Environment>> {
    let all = world.store.environments(world.project_id).await?;
    Ok(all.into_iter().find(|environment| environment.id == wanted.id))
}

pub(super) async fn an_environment_changes_and_says_when(world: World) -> Result<()> {
    let before = world.environments[1].clone();
    let after = Environment {
        name: "Größe".to_owned(),
        description: "line\nline".to_owned(),
        color: Color::parse("#01FEaf").context("no colour")?,
        protected: !before.protected,
        position: -7,
        ..before.clone()
    };
    let expect = |version| ReadVersion::Environment { id: before.id, version };
    let change = |version| Change {
        reads: vec![expect(version)],
        ..world.in_project(vec![Write::UpdateEnvironment(after.clone())])
    };
    let snapshot = world.snapshot(1).await?;
    let version = world.store.commit(change(before.version)).await?;
    let expected = Environment { version, ..after.clone() };
    ensure!(found(&world, &before).await?.as_ref() == Some(&expected));
    ensure!(world.store.environments(world.project_id).await?.first() == Some(&expected), "by position");
    ensure!(world.snapshot(1).await? == snapshot, "its readers see nothing of it");
    let stale = world.store.commit(change(before.version)).await.err();
    ensure!(matches!(stale, Some(CommitError::Stale)), "{stale:?}");
    let renamed = Environment { key: super::world::key("other")?, ..after };
    let stale = world.store.commit(world.in_project(vec![Write::UpdateEnvironment(renamed)])).await.err();
    ensure!(matches!(stale, Some(CommitError::Stale)), "a key never changes: {stale:?}");
    Ok(())
}

pub(super) async fn an_environment_begins_with_configs(world: World) -> Result<()> {
    let source = &world.environments[1];
    let (plain, rich) = (world.create(world.flag("plain")?).await?, world.create(world.flag("rich")?).await?);
    let config = Config {
        enabled: true,
        prerequisites: from_value(json!([{"flag": "plain", "variants": ["on"]}]))?,
        targets: from_value(json!([{"variant": "on", "keys": ["u1"]}]))?,
        rules: from_value(json!([{"id": "r", "when": {"all": []}, "serve": null}]))?,
        default: from_value(json!({"variant": "off"}))?,
        ..World::config(&rich, source)
    };
    world.about(&rich, vec![Write::UpdateConfig(config.clone())]).await?;
    for (name, rests) in [("copy", false), ("rest", true)] {
        let environment = world.environment(world.project_id, name, 9)?;
        let environment_id = environment.id;
        let fill = Write::FillFlags { environment_id, from: source.id, resting: rests, at: NOW };
        let version = world.write(vec![Write::CreateEnvironment(environment.clone()), fill]).await?;
        let everywhere = world.store.flag(world.project_id, &rich.key).await?.context("it is gone")?;
        let made = everywhere.here(environment_id).context("it has no config")?.config;
        let expected = if rests {
            resting(&rich, &config, environment_id)
        } else {
            Config { environment_id, ..config.clone() }
        };
        ensure!(made == Config { version, updated_at: NOW, ..expected }, "{name}: {made:?}");
        let snapshot = world.store.snapshot(environment_id).await?.context("no environment")?;
        ensure!(snapshot.revision == version);
        ensure!(snapshot.flags.keys().collect::<Vec<_>>() == [plain.key.as_str(), rich.key.as_str()]);
        let delta =
            world.store.changes_since(environment_id, version - 1).await?.context("no environment")?;
        ensure!(delta.flags.len() == 2, "{name}: its readers are told of {}", delta.flags.len());
    }
    ensure!(world.snapshot(1).await?.flags["rich"].known().is_some_and(|flag| flag.enabled));
    Ok(())
}

pub(super) async fn an_environment_goes_with_all_that_is_in_it(world: World) -> Result<()> {
    let flag = world.create(world.flag("stays")?).await?;
    let (gone, other) = (world.environments[1].clone(), world.environments[0].clone());
    let keys = [sdk_key(&world, &gone, "goes"), sdk_key(&world, &other, "stays")].map(Write::CreateSdkKey);
    world.write(keys.into()).await?;
    let traces = world.traces().await?;
    let stale = Change {
        reads: vec![ReadVersion::Environment { id: gone.id, version: gone.version + 1 }],
        ..world.in_project(vec![Write::DeleteEnvironment { id: gone.id }])
    };
    let error = world.store.commit(stale).await.err();
    ensure!(matches!(error, Some(CommitError::Stale)), "{error:?}");
    ensure!(world.traces().await? == traces, "a refused change left something");

    // Nor is one that is made although something was done since: it counts from before itself.
    let head = world.head().await?;
    let unless_moved = |revision| Change {
        reads: vec![ReadVersion::Head { chain: head.chain, revision }],
        ..world.in_project(vec![Write::DeleteEnvironment { id: gone.id }])
    };
    for other in [head.revision - 1, head.revision + 1] {
        let error = world.store.commit(unless_moved(other)).await.err();
        ensure!(matches!(error, Some(CommitError::Stale)), "{error:?}");
    }
    ensure!(world.traces().await? == traces, "a refused change left something");
    world.store.commit(unless_moved(head.revision)).await?;
    ensure!(found(&world, &gone).await?.is_none());
    ensure!(world.store.snapshot(gone.id).await?.is_none());
    ensure!(world.store.changes_since(gone.id, 0).await?.is_none());
    let in_force = world.store.sdk_keys_in_force(NOW, None).await?;
    ensure!(in_force.iter().map(|key| key.hash.as_str()).collect::<Vec<_>>() == ["stays"]);
    let everywhere = world.store.flag(world.project_id, &flag.key).await?.context("the flag is gone")?;
    ensure!(everywhere.configs.len() == 2 && everywhere.here(gone.id).is_none());
    let again =
        world.store.commit(world.in_project(vec![Write::DeleteEnvironment { id: gone.id }])).await.err();
    ensure!(matches!(again, Some(CommitError::Stale)), "{again:?}");
    // Its key is free, and what has the key now is another.
    let successor = world.environment(world.project_id, gone.key.as_str(), 1)?;
    world.write(vec![Write::CreateEnvironment(successor.clone())]).await?;
    let snapshot = world.store.snapshot(successor.id).await?.context("no environment")?;
    ensure!(snapshot.flags.is_empty());
    Ok(())
}
