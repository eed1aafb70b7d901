//! Keys for applications: what they open, until when, and when they last did.

use anyhow::{Context, Result, ensure};
use domain::environment::Environment;
use domain::id::Id;
use domain::log::{Chain, Counted, ReadVersion, Write};
use domain::ports::{CommitError, SdkKeyFilter, SdkKeyUse};
use domain::sdk_key::{KeyState, Origins, Reach, SdkKey, SdkKeyKind};
use domain::time::Timestamp;

use super::world::{NOW, World};

fn later(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + millis)
}

/// A server key of an environment, not yet written.
pub(super) fn sdk_key(world: &World, environment: &Environment, hash: &str) -> SdkKey {
    SdkKey {
        id: world.id(),
        project_id: environment.project_id,
        reach: Reach::of(environment),
        name: "café".to_owned(),
        description: String::new(),
        kind: SdkKeyKind::Server,
        origins: Origins::default(),
        hint: "bgs_12345678".to_owned(),
        hash: hash.to_owned(),
        version: 0,
        created_by: world.project_id,
        created_at: NOW,
        updated_at: NOW,
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
        replaced_by: None,
    }
}

/// One made at another time.
fn made_at(world: &World, environment: &Environment, hash: &str, millis: i64) -> SdkKey {
    let at = later(millis);
    SdkKey { created_at: at, updated_at: at, ..sdk_key(world, environment, hash) }
}

/// Writes a key and gives it with the version that it then has.
async fn written(world: &World, key: SdkKey) -> Result<SdkKey> {
    let change = world.change(Chain::Project(key.project_id), vec![Write::CreateSdkKey(key.clone())]);
    let version = world.store.commit(change).await?;
    Ok(SdkKey { version, ..key })
}

async fn kept(world: &World, id: Id) -> Result<SdkKey> {
    world.store.sdk_key(world.project_id, id).await?.context("the key is gone")
}

async fn listed(world: &World, filter: &SdkKeyFilter) -> Result<Vec<SdkKey>> {
    Ok(world.store.sdk_keys(world.project_id, filter).await?.items)
}

/// Another project with an environment.
async fn elsewhere(world: &World) -> Result<Environment> {
    let other = world.id();
    world.make_project(other, "other").await?;
    let environment = world.environment(other, "development", 0)?;
    let writes = vec![Write::CreateEnvironment(environment.clone())];
    world.store.commit(world.change(Chain::Project(other), writes)).await?;
    Ok(environment)
}

fn ids(world: &World, places: &[usize]) -> Reach {
    let mut ids: Vec<_> = places.iter().map(|place| world.environments[*place].id).collect();
    ids.sort_unstable();
    Reach::Environments(ids)
}

pub(super) async fn keys_come_back_whole(world: World) -> Result<()> {
    let environment = &world.environments[1];
    let client = SdkKey {
        kind: SdkKeyKind::Client,
        origins: Origins::kept(vec!["https://shop.example".to_owned(), "http://localhost:3000".to_owned()]),
        description: "for the shop".to_owned(),
        expires_at: Some(later(5_000)),
        ..made_at(&world, environment, "01", 1)
    };
    let edge = SdkKey {
        kind: SdkKeyKind::Edge,
        reach: ids(&world, &[0, 1, 2]),
        replaced_by: Some(client.id),
        ..made_at(&world, environment, "02", 2)
    };
    let whole = SdkKey {
        kind: SdkKeyKind::Edge,
        reach: Reach::Project,
        revoked_at: Some(later(9)),
        ..made_at(&world, environment, "03", 3)
    };
    let mut all = Vec::new();
    for key in [client, edge, whole] {
        let key = written(&world, key).await?;
        ensure!(kept(&world, key.id).await? == key);
        all.insert(0, key);
    }
    ensure!(listed(&world, &SdkKeyFilter::all(NOW)).await? == all, "newest first");
    ensure!(world.store.sdk_key(world.project_id, world.id()).await?.is_none());

    let foreign = written(&world, sdk_key(&world, &elsewhere(&world).await?, "04")).await?;
    ensure!(world.store.sdk_key(world.project_id, foreign.id).await?.is_none(), "another project's");
    ensure!(listed(&world, &SdkKeyFilter::all(NOW)).await? == all, "another project's");
    // The same secret may not open two projects, nor one project twice.
    for project_id in [foreign.project_id, world.project_id] {
        let copied = SdkKey { project_id, reach: Reach::Project, ..sdk_key(&world, environment, "01") };
        let change = world.change(Chain::Project(project_id), vec![Write::CreateSdkKey(copied)]);
        let error = world.store.commit(change).await.err();
        ensure!(matches!(error, Some(CommitError::Taken { what: "sdk_key" })), "{error:?}");
    }
    Ok(())
}

pub(super) async fn keys_are_in_force_until_revoked_or_expired(world: World) -> Result<()> {
    let place = &world.environments[1];
    let old = written(&world, made_at(&world, place, "01", 1)).await?;
    let ending = SdkKey { expires_at: Some(later(100)), ..made_at(&world, place, "02", 2) };
    let ending = written(&world, ending).await?;
    let foreign = written(&world, made_at(&world, &elsewhere(&world).await?, "03", 3)).await?;
    let store = &world.store;
    ensure!(store.sdk_keys_in_force(later(99), None).await? == [foreign.clone(), ending, old.clone()]);
    ensure!(store.sdk_keys_in_force(later(100), None).await? == [foreign.clone(), old.clone()]);

    let revoke = |millis| vec![Write::RevokeSdkKey { id: old.id, at: later(millis) }];
    let astray = world.change(Chain::Project(foreign.project_id), revoke(5));
    ensure!(store.commit(astray).await.is_err(), "another project revoked it");
    world.write(revoke(10)).await?;
    let again = store.commit(world.in_project(revoke(20))).await;
    ensure!(matches!(again, Err(CommitError::Stale)), "it was revoked twice");
    let update = store.commit(world.in_project(vec![Write::UpdateSdkKey(old.clone())])).await;
    ensure!(matches!(update, Err(CommitError::Stale)), "a revoked key changed");
    ensure!(store.sdk_keys_in_force(later(100), None).await? == [foreign]);
    ensure!(store.sdk_keys_ended(later(99), 9).await? == ["01"], "the other one's time is not over");
    ensure!(store.sdk_keys_ended(later(100), 9).await? == ["02", "01"], "what ended last comes first");
    ensure!(store.sdk_keys_ended(later(100), 1).await? == ["02"]);
    let revoked = kept(&world, old.id).await?;
    ensure!(revoked.revoked_at == Some(later(10)), "the revocation that counts");
    ensure!(revoked.version > old.version && revoked.updated_at == later(10));
    Ok(())
}

pub(super) async fn keys_in_force_are_counted_and_found_by_project(world: World) -> Result<()> {
    let [here, ..] = world.environments.as_slice() else { anyhow::bail!("no environment") };
    let other = world.id();
    world.make_project(other, "other").await?;
    let there = world.environment(other, "production", 0)?;
    let change = world.change(Chain::Project(other), vec![Write::CreateEnvironment(there.clone())]);
    world.store.commit(change).await?;
    let own = written(&world, sdk_key(&world, here, "11")).await?;
    written(&world, SdkKey { expires_at: Some(later(50)), ..sdk_key(&world, here, "22") }).await?;
    let gone = written(&world, sdk_key(&world, here, "33")).await?;
    let foreign = written(&world, sdk_key(&world, &there, "44")).await?;
    world.write(vec![Write::RevokeSdkKey { id: gone.id, at: NOW }]).await?;
    let in_force = async |of: &[Id]| world.store.sdk_keys_in_force(later(50), Some(of)).await;
    ensure!(in_force(&[world.project_id]).await? == [own]);
    ensure!(in_force(&[other]).await? == [foreign]);
    ensure!(
        in_force(&[other, world.project_id]).await?.len() == 2 && in_force(&[world.id()]).await?.is_empty()
    );

    let mut change = world.in_project(Vec::new());
    for (at, most, room) in [(later(49), 2, false), (later(50), 2, true), (later(50), 1, false)] {
        change.reads = vec![ReadVersion::Room { of: Counted::SdkKeys { at }, most }];
        ensure!(world.store.commit(change.clone()).await.is_ok() == room, "{most}");
    }
    Ok(())
}

pub(super) async fn keys_come_in_pages(world: World) -> Result<()> {
    let mut newest_first = Vec::new();
    // Several are made at the same time: then the id says which comes first.
    for (number, millis) in [1, 1, 1, 2, 3].into_iter().enumerate() {
        let environment = &world.environments[number % 3];
        let reach = ids(&world, &[0, 1, 2]);
        let key = SdkKey { reach, ..made_at(&world, environment, &number.to_string(), millis) };
        newest_first.insert(0, written(&world, key).await?);
    }
    let mut seen = Vec::new();
    let mut filter = SdkKeyFilter { limit: 2, ..SdkKeyFilter::all(NOW) };
    loop {
        let page = world.store.sdk_keys(world.project_id, &filter).await?;
        ensure!(page.total == Some(5), "{:?}", page.total);
        filter.after = page.items.last().map(|key| (key.created_at, key.id));
        seen.extend(page.items);
        if !page.more {
            break;
        }
        ensure!(seen.len() % 2 == 0 && seen.len() < 5, "a page that is not full");
    }
    ensure!(seen == newest_first);
    Ok(())
}

pub(super) async fn keys_are_filtered(world: World) -> Result<()> {
    let [one, two, _] = world.environments.as_slice() else { anyhow::bail!("not three environments") };
    let server = written(&world, sdk_key(&world, one, "01")).await?;
    let client =
        SdkKey { kind: SdkKeyKind::Client, expires_at: Some(later(50)), ..made_at(&world, two, "02", 1) };
    let client = written(&world, client).await?;
    let edge = SdkKey { kind: SdkKeyKind::Edge, reach: Reach::Project, ..made_at(&world, two, "03", 2) };
    let edge = written(&world, edge).await?;
    let revoked =
        SdkKey { revoked_at: Some(later(9)), expires_at: Some(later(9)), ..made_at(&world, one, "04", 3) };
    let revoked = written(&world, revoked).await?;
    let all = SdkKeyFilter::all(later(50));
    let state = |state| SdkKeyFilter { state: Some(state), ..all.clone() };
    let in_force_before = SdkKeyFilter { now: later(49), ..state(KeyState::InForce) };
    let cases: [(SdkKeyFilter, &[&SdkKey]); 7] = [
        (SdkKeyFilter { environment: Some(one.id), ..all.clone() }, &[&revoked, &edge, &server]),
        (SdkKeyFilter { environment: Some(two.id), ..all.clone() }, &[&edge, &client]),
        (SdkKeyFilter { kind: Some(SdkKeyKind::Server), ..all.clone() }, &[&revoked, &server]),
        (state(KeyState::InForce), &[&edge, &server]),
        (in_force_before, &[&edge, &client, &server]),
        (state(KeyState::Expired), &[&client]),
        (state(KeyState::Revoked), &[&revoked]),
    ];
    for (filter, expected) in cases {
        let page = world.store.sdk_keys(world.project_id, &filter).await?;
        ensure!(page.items.iter().collect::<Vec<_>>() == expected, "{filter:?}");
        ensure!(page.total == Some(expected.len() as u64) && !page.more, "{filter:?}");
    }
    Ok(())
}

pub(super) async fn a_key_changes_and_says_when(world: World) -> Result<()> {
    let key = written(&world, sdk_key(&world, &world.environments[0], "01")).await?;
    let changed = SdkKey {
        name: "another".to_owned(),
        description: "described".to_owned(),
        reach: ids(&world, &[1, 2]),
        origins: Origins::any(),
        expires_at: Some(later(500)),
        replaced_by: Some(world.id()),
        updated_at: later(7),
        ..key.clone()
    };
    let read = ReadVersion::SdkKey { id: key.id, version: key.version };
    // What never changes is not taken over.
    let told =
        SdkKey { kind: SdkKeyKind::Edge, hash: "02".to_owned(), created_at: later(9), ..changed.clone() };
    let mut change = world.in_project(vec![Write::UpdateSdkKey(told)]);
    change.reads = vec![read];
    let version = world.store.commit(change.clone()).await?;
    ensure!(kept(&world, key.id).await? == SdkKey { version, ..changed });
    let again = world.store.commit(change).await;
    ensure!(matches!(again, Err(CommitError::Stale)), "decided upon another version");
    let nowhere = SdkKey { reach: Reach::Environments(vec![world.id()]), ..key };
    ensure!(world.store.commit(world.in_project(vec![Write::UpdateSdkKey(nowhere)])).await.is_err());
    ensure!(kept(&world, key.id).await?.version == version);
    Ok(())
}

pub(super) async fn a_key_of_several_environments_outlives_one(world: World) -> Result<()> {
    let gone = world.environments[1].clone();
    let mut left = Vec::new();
    for (hash, reach) in [("01", ids(&world, &[0, 1])), ("02", ids(&world, &[1])), ("03", Reach::Project)] {
        let key = SdkKey { kind: SdkKeyKind::Edge, reach, ..sdk_key(&world, &gone, hash) };
        left.push(written(&world, key).await?);
    }
    world.write(vec![Write::DeleteEnvironment { id: gone.id }]).await?;
    ensure!(kept(&world, left[0].id).await?.reach == ids(&world, &[0]));
    ensure!(world.store.sdk_key(world.project_id, left[1].id).await?.is_none(), "it opens nothing");
    ensure!(kept(&world, left[2].id).await? == left[2]);
    Ok(())
}

pub(super) async fn the_last_use_of_a_key_only_moves_on(world: World) -> Result<()> {
    let one = written(&world, sdk_key(&world, &world.environments[0], "01")).await?;
    let two = written(&world, sdk_key(&world, &world.environments[1], "02")).await?;
    let head = world.traces().await?;
    let used = |key: &SdkKey, millis| SdkKeyUse { project_id: key.project_id, id: key.id, at: later(millis) };
    let gone = SdkKeyUse { id: world.id(), ..used(&one, 9) };
    let astray = SdkKeyUse { project_id: world.id(), ..used(&two, 9) };
    for (uses, expected) in [
        (vec![], [None, None]),
        (vec![used(&one, 60), gone, astray], [Some(60), None]),
        (vec![used(&one, 30), used(&two, 120)], [Some(60), Some(120)]),
        (vec![used(&two, 180), used(&one, 180)], [Some(180), Some(180)]),
    ] {
        world.store.note_sdk_keys_used(&uses).await?;
        for (key, millis) in [&one, &two].into_iter().zip(expected) {
            let expected = SdkKey { last_used_at: millis.map(later), ..key.clone() };
            ensure!(kept(&world, key.id).await? == expected, "{millis:?}");
        }
    }
    ensure!(world.traces().await? == head, "a use is no change");
    Ok(())
}
