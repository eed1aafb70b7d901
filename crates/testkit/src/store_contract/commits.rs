//! A change is committed whole, in order, or not at all.

use anyhow::{Result, ensure};
use domain::account::{AccessToken, Account, AccountKind, AccountWrite, Role, SigningKey};
use domain::audit;
use domain::environment::Environment;
use domain::flag::{Config, Flag};
use domain::id::Id;
use domain::log::{Chain, Change, ReadVersion, Write};
use domain::ports::{CommitError, StoreError};
use tokio::task::JoinSet;

use super::sdk_keys::sdk_key;
use super::world::{NOW, World, key};

const TASKS: u64 = 8;
const COMMITS: u64 = 25;

pub(super) async fn revisions_have_no_gaps_under_concurrency(world: World) -> Result<()> {
    let start = world.head().await?.revision;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let world = world.clone();
        tasks.spawn(async move {
            let mut revisions = Vec::new();
            for commit in 0..COMMITS {
                revisions.push(world.create(world.flag(&format!("flag-{task}-{commit}"))?).await?.version);
            }
            ensure!(revisions.is_sorted(), "a task's revisions fall: {revisions:?}");
            Ok(revisions)
        });
    }
    let mut revisions = Vec::new();
    while let Some(task) = tasks.join_next().await {
        revisions.extend(task??);
    }
    revisions.sort_unstable();
    let expected: Vec<_> = (start + 1..=start + TASKS * COMMITS).collect();
    ensure!(revisions == expected, "{revisions:?}");
    ensure!(world.head().await?.revision == start + TASKS * COMMITS);
    for chain in audit::verify(&*world.store).await? {
        ensure!(chain.fault.is_none(), "{chain:?}");
    }
    Ok(())
}

/// Tries the same change from several tasks; how many were committed, and what the others were told.
async fn race(world: &World, change: impl Fn() -> Result<Change>) -> Result<(usize, Vec<CommitError>)> {
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let (store, change) = (world.store.clone(), change()?);
        tasks.spawn(async move { store.commit(change).await });
    }
    let (mut committed, mut refused) = (0, Vec::new());
    while let Some(task) = tasks.join_next().await {
        match task? {
            Ok(_) => committed += 1,
            Err(error) => refused.push(error),
        }
    }
    Ok((committed, refused))
}

pub(super) async fn of_those_who_read_the_same_one_wins(world: World) -> Result<()> {
    let flag = world.create(world.flag("contended")?).await?;
    let start = world.head().await?.revision;
    let change = || {
        let mut change = world.in_project(vec![Write::UpdateFlag(flag.clone())]);
        change.reads = vec![World::read_of(&flag)];
        Ok(change)
    };
    let (committed, refused) = race(&world, change).await?;
    ensure!(committed == 1, "{committed} were committed");
    ensure!(refused.iter().all(|error| matches!(error, CommitError::Stale)), "{refused:?}");
    ensure!(world.head().await?.revision == start + 1, "a refused change took a revision");
    Ok(())
}

pub(super) async fn one_of_many_creates_of_a_key_wins(world: World) -> Result<()> {
    let (committed, refused) =
        race(&world, || Ok(world.in_project(world.creation(&world.flag("wanted")?)))).await?;
    ensure!(committed == 1, "{committed} were committed");
    let taken = |error: &CommitError| matches!(error, CommitError::Taken { what: "flag" });
    ensure!(refused.iter().all(taken), "{refused:?}");
    Ok(())
}

/// Commits what must be refused, and sees that it left no trace.
async fn refused(world: &World, change: Change) -> Result<CommitError> {
    let before = world.traces().await?;
    let Err(error) = world.store.commit(change).await else {
        anyhow::bail!("it was committed");
    };
    ensure!(world.traces().await? == before, "it was refused and left a trace: {error}");
    Ok(error)
}

/// What stands before the write that fails, and must not stay.
fn after_a_good_write(world: &World, bad: Write) -> Result<Vec<Write>> {
    let mut writes = world.creation(&world.flag("innocent")?);
    writes.push(bad);
    Ok(writes)
}

pub(super) async fn stale_reads_are_refused(world: World) -> Result<()> {
    let flag = world.create(world.flag("read")?).await?;
    let gone = world.create(world.flag("gone")?).await?;
    let environment_id = world.environments[0].id;
    let version = world.toggle(&flag, 0, true).await?;
    world.delete(&gone).await?;
    let config = |version| ReadVersion::Config { flag_id: flag.id, environment_id, version };
    let stale = [
        vec![ReadVersion::Flag { id: flag.id, version: flag.version - 1 }],
        vec![ReadVersion::Flag { id: flag.id, version: version + 1 }],
        vec![World::read_of(&gone)],
        vec![config(flag.version)],
        vec![ReadVersion::Config { flag_id: flag.id, environment_id: world.id(), version }],
        vec![World::read_of(&flag), config(version), World::read_of(&gone)],
    ];
    for reads in stale {
        let change = Change { reads, ..world.in_project(world.creation(&world.flag("innocent")?)) };
        let error = refused(&world, change).await?;
        ensure!(matches!(error, CommitError::Stale), "{error:?}");
    }
    let writes = world.creation(&world.flag("innocent")?);
    let current = Change { reads: vec![World::read_of(&flag), config(version)], ..world.in_project(writes) };
    world.store.commit(current).await?;
    Ok(())
}

pub(super) fn account(world: &World, email: &str) -> Account {
    Account {
        id: world.id(),
        kind: AccountKind::Person,
        email: email.to_owned(),
        name: String::new(),
        role: Role::Viewer,
        active: true,
        password_hash: None,
        version: 0,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn token(account_id: Id, id: Id, hash: &str) -> AccessToken {
    AccessToken {
        id,
        account_id,
        name: String::new(),
        hint: String::new(),
        hash: hash.to_owned(),
        scopes: None,
        created_at: NOW,
        expires_at: None,
        last_used_at: None,
        replaced_by: None,
    }
}

pub(super) async fn what_is_taken_is_refused(world: World) -> Result<()> {
    let flag = world.create(world.flag("taken")?).await?;
    world.write(vec![Write::CreateSdkKey(sdk_key(&world, &world.environments[0], "aa"))]).await?;
    let in_project = [
        ("flag", Write::CreateFlag(world.flag("taken")?)),
        ("flag", Write::CreateFlag(Flag { id: flag.id, ..world.flag("other")? })),
        ("environment", Write::CreateEnvironment(world.environment(world.project_id, "staging", 9)?)),
        ("config", Write::CreateConfig(World::config(&flag, &world.environments[0]))),
        ("sdk_key", Write::CreateSdkKey(sdk_key(&world, &world.environments[0], "aa"))),
    ];
    for (expected, write) in in_project {
        let error = refused(&world, world.in_project(after_a_good_write(&world, write)?)).await?;
        ensure!(matches!(error, CommitError::Taken { what } if what == expected), "{expected}: {error:?}");
    }
    let (own, other) = (account(&world, "a@example.org"), account(&world, "b@example.org"));
    let signing = SigningKey {
        id: world.id(),
        secret: vec![1],
        created_at: NOW,
        verifies_until: None,
        revoked_at: None,
        given: true,
        fingerprint: None,
    };
    let known = vec![
        Write::Account(AccountWrite::Create(own.clone())),
        Write::Account(AccountWrite::CreateAccessToken(token(own.id, world.id(), "bb"))),
        Write::Account(AccountWrite::CreateSigningKey(signing.clone())),
    ];
    world.store.commit(world.change(Chain::Instance, known)).await?;
    let project = Write::CreateProject(World::project(world.id(), "default")?);
    let in_instance = [
        ("project", project),
        ("account", Write::Account(AccountWrite::Create(account(&world, "a@example.org")))),
        ("access_token", Write::Account(AccountWrite::CreateAccessToken(token(own.id, world.id(), "bb")))),
        ("signing_key", Write::Account(AccountWrite::CreateSigningKey(signing))),
    ];
    for (expected, write) in in_instance {
        let writes = vec![Write::Account(AccountWrite::Create(other.clone())), write];
        let error = refused(&world, world.change(Chain::Instance, writes)).await?;
        ensure!(matches!(error, CommitError::Taken { what } if what == expected), "{expected}: {error:?}");
        ensure!(world.store.account(other.id).await?.is_none(), "{expected}: the write before it stayed");
    }
    Ok(())
}

pub(super) async fn what_is_gone_is_refused(world: World) -> Result<()> {
    let known = world.create(world.flag("known")?).await?;
    let gone = world.create(world.flag("gone")?).await?;
    world.delete(&gone).await?;
    let elsewhere = world.environment(world.project_id, "elsewhere", 9)?;
    let writes = [
        Write::UpdateFlag(gone.clone()),
        Write::UpdateFlag(Flag { key: key("renamed")?, ..known.clone() }),
        Write::DeleteFlag { id: gone.id, key: gone.key.clone() },
        Write::DeleteFlag { id: known.id, key: gone.key.clone() },
        Write::UpdateConfig(World::config(&gone, &world.environments[0])),
        Write::UpdateConfig(World::config(&known, &elsewhere)),
        Write::RevokeSdkKey { id: world.id(), at: NOW },
    ];
    for write in writes {
        let tried = format!("{write:?}");
        let error = refused(&world, world.in_project(after_a_good_write(&world, write)?)).await?;
        ensure!(matches!(error, CommitError::Stale), "{tried}: {error:?}");
    }
    let error = refused(&world, world.change(Chain::Project(world.id()), Vec::new())).await?;
    ensure!(matches!(error, CommitError::Stale), "a project that is not there: {error:?}");
    Ok(())
}

fn is_corrupt(error: &CommitError) -> bool {
    matches!(error, CommitError::Store(StoreError::Corrupt(_)))
}

pub(super) async fn what_names_nothing_is_refused(world: World) -> Result<()> {
    let known = world.create(world.flag("known")?).await?;
    let nowhere = world.environment(world.project_id, "nowhere", 9)?;
    let orphan = Config { flag_id: world.id(), ..World::config(&known, &world.environments[0]) };
    let writes = [
        Write::CreateConfig(World::config(&known, &nowhere)),
        Write::CreateConfig(orphan),
        Write::CreateSdkKey(sdk_key(&world, &nowhere, "cc")),
    ];
    for write in writes {
        let tried = format!("{write:?}");
        let error = refused(&world, world.in_project(after_a_good_write(&world, write)?)).await?;
        ensure!(is_corrupt(&error), "{tried}: {error:?}");
    }
    let writes = vec![Write::Account(AccountWrite::CreateAccessToken(token(world.id(), world.id(), "dd")))];
    let error = refused(&world, world.change(Chain::Instance, writes)).await?;
    ensure!(is_corrupt(&error), "a token of nobody: {error:?}");
    Ok(())
}

pub(super) async fn a_change_keeps_to_its_chain(world: World) -> Result<()> {
    let other = world.id();
    world.make_project(other, "other").await?;
    let flag = world.flag("astray")?;
    let strays = [
        world.change(Chain::Project(other), vec![Write::CreateFlag(flag.clone())]),
        world.change(Chain::Instance, vec![Write::CreateFlag(flag)]),
        world.in_project(vec![Write::Account(AccountWrite::Create(account(&world, "c@example.org")))]),
        world.change(Chain::Instance, vec![Write::RevokeSdkKey { id: world.id(), at: NOW }]),
        world.change(Chain::Instance, vec![Write::UpdateProject(World::project(other, "other")?)]),
        world.in_project(vec![Write::UpdateProject(World::project(other, "other")?)]),
    ];
    for change in strays {
        let error = refused(&world, change).await?;
        ensure!(is_corrupt(&error), "{error:?}");
    }
    Ok(())
}

pub(super) async fn texts_that_not_every_store_can_keep_are_refused(world: World) -> Result<()> {
    let nul = || "a\0b".to_owned();
    let change = || -> Result<Change> { Ok(world.in_project(world.creation(&world.flag("innocent")?))) };
    let named = Flag { name: nul(), ..world.flag("named")? };
    let described = Flag { description: nul(), ..world.flag("described")? };
    let changes = [
        Change { comment: Some(nul()), ..change()? },
        Change { source: nul(), ..change()? },
        world.in_project(world.creation(&named)),
        world.in_project(world.creation(&described)),
    ];
    for change in changes {
        let error = refused(&world, change).await?;
        ensure!(is_corrupt(&error), "{error:?}");
    }
    Ok(())
}

pub(super) async fn two_changes_are_made_both_or_neither(world: World) -> Result<()> {
    let store = &world.store;
    let both = |id, name: &str, place: &Environment| -> Result<_> {
        let first = world.change(Chain::Instance, vec![Write::CreateProject(World::project(id, name)?)]);
        let second = world.change(Chain::Project(id), vec![Write::CreateEnvironment(place.clone())]);
        Ok((first, second))
    };
    let instance = async || Ok::<_, anyhow::Error>(store.heads().await?.first().map(|head| head.revision));
    let before = instance().await?;
    let id = world.id();
    let place = world.environment(id, "production", 0)?;
    let (first, second) = both(id, "shop", &place)?;
    let revisions = store.commit_both(first, second).await?;
    ensure!(Some(revisions.0) == before.map(|before| before + 1) && revisions.1 == 1, "{revisions:?}");
    let made = store.environments(id).await?;
    ensure!(made == [Environment { version: 1, ..place.clone() }], "{made:?}");

    // The second cannot be: nothing of the first is there.
    let before = (instance().await?, store.heads().await?);
    let other = world.id();
    let (first, second) = both(other, "taken", &Environment { project_id: other, ..place })?;
    let mut stale = second.clone();
    stale.reads = vec![ReadVersion::Dependencies { version: 7 }];
    ensure!(matches!(store.commit_both(first.clone(), stale).await, Err(CommitError::Stale)));
    ensure!(store.project("taken").await?.is_none() && (instance().await?, store.heads().await?) == before);
    // Nor is the second without the first.
    let (taken, _) = both(id, "shop", &world.environment(id, "x", 1)?)?;
    let refused = store.commit_both(taken, second).await;
    ensure!(matches!(refused, Err(CommitError::Taken { what: "project" })), "{refused:?}");
    ensure!(store.heads().await? == before.1);
    Ok(())
}
