//! Two writers together make nothing that each alone may not.

use anyhow::{Result, ensure};
use domain::log::{Change, ReadVersion, Write};
use domain::ports::CommitError;

use super::world::World;

pub(super) async fn dependencies_move_only_when_touched(world: World) -> Result<()> {
    let version = async || world.store.dependencies_version(world.project_id).await;
    ensure!(version().await? == 0);
    world.create(world.flag("free")?).await?;
    ensure!(version().await? == 0, "a flag by itself refers to nothing");
    let touched = world.write(vec![Write::TouchDependencies]).await?;
    ensure!(version().await? == touched);
    world.create(world.flag("another")?).await?;
    ensure!(version().await? == touched);
    let other = world.id();
    world.make_project(other, "other").await?;
    ensure!(world.store.dependencies_version(other).await? == 0, "each project has its own");
    ensure!(world.store.dependencies_version(world.id()).await? == 0, "a project that is not there");
    Ok(())
}

pub(super) async fn dependencies_that_moved_refuse(world: World) -> Result<()> {
    let decided_upon = |version| Change {
        reads: vec![ReadVersion::Dependencies { version }],
        ..world.in_project(vec![Write::TouchDependencies])
    };
    let first = world.store.commit(decided_upon(0)).await?;
    for stale in [0, first - 1, first + 1] {
        let error = world.store.commit(decided_upon(stale)).await.err();
        ensure!(matches!(error, Some(CommitError::Stale)), "{stale}: {error:?}");
    }
    ensure!(world.store.dependencies_version(world.project_id).await? == first, "a refused change moved it");
    let second = world.store.commit(decided_upon(first)).await?;
    ensure!(world.store.dependencies_version(world.project_id).await? == second);
    Ok(())
}
