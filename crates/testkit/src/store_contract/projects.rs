//! Projects.

use anyhow::{Context, Result, ensure};
use domain::comment::CommentRule;
use domain::flag::Flag;
use domain::log::{Chain, Change, ReadVersion, Write};
use domain::ports::{CommitError, KeyedFilter, ProjectContent};
use domain::project::{OwningTeam, Project};

use super::sdk_keys::sdk_key;
use super::world::{NOW, World, key};

pub(super) async fn projects_come_in_pages_by_key(world: World) -> Result<()> {
    let mut ids = Vec::new();
    for name in ["zoo", "Shop", "bank"] {
        ids.push(world.id());
        world.make_project(ids[ids.len() - 1], name).await?;
    }
    let filter = KeyedFilter { limit: 2, ..KeyedFilter::default() };
    let page = world.store.projects(&filter, None).await?;
    let keys: Vec<_> = page.items.iter().map(|project| project.key.as_str()).collect();
    ensure!(keys == ["Shop", "bank"], "by bytes, not {keys:?}");
    ensure!(page.total == Some(4) && page.more);
    let next = KeyedFilter { after: Some(key("bank")?), ..filter.clone() };
    let page = world.store.projects(&next, None).await?;
    let keys: Vec<_> = page.items.iter().map(|project| project.key.as_str()).collect();
    ensure!(keys == ["default", "zoo"] && !page.more);

    let some = world.store.projects(&filter, Some(&ids[..1])).await?;
    ensure!(some.total == Some(1) && some.items[0].id == ids[0]);
    ensure!(world.store.projects(&filter, Some(&[])).await?.items.is_empty());
    let searched = KeyedFilter { search: Some("OF SH".to_owned()), limit: 9, ..KeyedFilter::default() };
    let found = world.store.projects(&searched, None).await?;
    ensure!(found.items.len() == 1 && found.items[0].name == "SHOP");
    let of_all = world.store.all_environments().await?;
    ensure!(of_all.len() == 3, "new projects have none yet");
    Ok(())
}

pub(super) async fn stale_projects_are_refused(world: World) -> Result<()> {
    let before = world.store.project("default").await?.context("no project")?;
    ensure!(before.comment_required == CommentRule::None);
    let after =
        Project { name: "New".to_owned(), comment_required: CommentRule::Protected, ..before.clone() };
    ensure!(before.version == 0, "its chain begins after it");
    let mut change = world.in_project(vec![Write::UpdateProject(after)]);
    change.reads = vec![ReadVersion::Project { id: before.id, version: before.version }];
    let revision = world.store.commit(change.clone()).await?;
    let after = world.store.project("default").await?.context("no project")?;
    ensure!((after.name.as_str(), after.version) == ("New", revision));
    ensure!(after.comment_required == CommentRule::Protected && after.created_at == before.created_at);
    ensure!(world.store.project_by_id(before.id).await?.as_ref() == Some(&after));
    ensure!(world.store.project_by_id(world.id()).await?.is_none());
    ensure!(matches!(world.store.commit(change).await, Err(CommitError::Stale)));
    let unowned = Project { team: Some(OwningTeam { id: world.id(), key: key("nobody")? }), ..after };
    let change = world.in_project(vec![Write::UpdateProject(unowned)]);
    ensure!(matches!(world.store.commit(change).await, Err(CommitError::Stale)), "no such team");
    Ok(())
}

pub(super) async fn a_project_goes_with_all_but_its_log(world: World) -> Result<()> {
    let id = world.id();
    world.make_project(id, "shop").await?;
    let environment = world.environment(id, "development", 0)?;
    let flag = Flag { project_id: id, ..world.flag("sale")? };
    let config = World::config(&flag, &environment);
    let sdk_key = sdk_key(&world, &environment, "ab");
    let writes = vec![
        Write::CreateEnvironment(environment.clone()),
        Write::CreateFlag(flag),
        Write::CreateConfig(config),
        Write::CreateSdkKey(sdk_key),
    ];
    world.store.commit(world.change(Chain::Project(id), writes)).await?;
    let inside = ProjectContent { flags: 1, segments: 0, sdk_keys: 1 };
    ensure!(world.store.project_content(id).await? == inside);
    ensure!(world.store.all_environments().await?.len() == 4);

    let delete = || world.change(Chain::Instance, vec![Write::DeleteProject { id }]);
    let chain = Chain::Project(id);
    for revision in [0, 2] {
        let reads = vec![ReadVersion::Head { chain, revision }];
        let refused = world.store.commit(Change { reads, ..delete() }).await;
        ensure!(matches!(refused, Err(CommitError::Stale)), "something was done since {revision}");
    }
    ensure!(world.store.project_content(id).await? == inside);
    let reads = vec![ReadVersion::Head { chain, revision: 1 }];
    world.store.commit(Change { reads, ..delete() }).await?;
    ensure!(world.store.project("shop").await?.is_none());
    ensure!(world.store.project_content(id).await? == ProjectContent::default());
    ensure!(world.store.snapshot(environment.id).await?.is_none());
    ensure!(world.store.sdk_keys_in_force(NOW, None).await?.iter().all(|key| key.project_id != id));
    ensure!(world.store.log_after(Chain::Project(id), 0, 10).await?.len() == 1, "its log stays");
    ensure!(matches!(world.store.commit(delete()).await, Err(CommitError::Stale)), "it is gone");
    let late = world
        .change(Chain::Project(id), vec![Write::CreateFlag(Flag { project_id: id, ..world.flag("late")? })]);
    ensure!(matches!(world.store.commit(late).await, Err(CommitError::Stale)), "it grows no more");
    world.make_project(world.id(), "shop").await
}
