//! A delta applied is the snapshot, and nobody sees half a change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use domain::flag::{Config, Flag};
use domain::log::Write;
use engine::model::Snapshot;

use super::world::World;

/// How many random changes.
const CHANGES: usize = 120;
/// Among so few keys that they are made and deleted again and again.
const KEYS: usize = 5;
/// One in so many snapshots is kept and brought up to date later.
const KEEP: usize = 4;

/// The same numbers in every run (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap_or_default() % bound
    }
}

pub(super) async fn a_delta_applied_is_the_snapshot(world: World) -> Result<()> {
    let mut numbers = Numbers(3);
    let mut living: Vec<Option<Flag>> = vec![None; KEYS];
    let mut kept: Vec<(usize, Snapshot)> = Vec::new();
    for step in 0..CHANGES {
        let index = numbers.below(KEYS);
        living[index] = change(&world, living[index].take(), index, &mut numbers).await?;
        for (place, environment) in world.environments.iter().enumerate() {
            let now = world.snapshot(place).await?;
            for (_, earlier) in kept.iter_mut().filter(|(kept, _)| *kept == place) {
                // Some stay behind, so that deltas merge several changes.
                if numbers.below(3) > 0 {
                    continue;
                }
                let delta = world.store.changes_since(environment.id, earlier.revision).await?;
                let delta = delta.context("the environment is gone")?;
                earlier.apply(&delta);
                ensure!(*earlier == now, "step {step}: {delta:?} makes {earlier:?} instead of {now:?}");
            }
            if numbers.below(KEEP) == 0 {
                kept.push((place, now));
            }
        }
        kept.drain(..kept.len().saturating_sub(12));
    }
    Ok(())
}

async fn change(
    world: &World,
    living: Option<Flag>,
    index: usize,
    numbers: &mut Numbers,
) -> Result<Option<Flag>> {
    let Some(mut flag) = living else {
        return Ok(Some(world.create(world.flag(&format!("flag-{index}"))?).await?));
    };
    match numbers.below(4) {
        0 => {
            world.delete(&flag).await?;
            return Ok(None);
        }
        1 => {
            flag.client_visible = !flag.client_visible;
            flag.name = format!("name {}", numbers.below(1_000));
            flag.version = world.about(&flag, vec![Write::UpdateFlag(flag.clone())]).await?;
        }
        _ => {
            let (place, enabled) = (numbers.below(world.environments.len()), numbers.below(2) == 0);
            world.toggle(&flag, place, enabled).await?;
        }
    }
    Ok(Some(flag))
}

/// Two flags are always changed together; no reader may see one without the other, nor a revision without
/// what it brought.
pub(super) async fn readers_see_whole_changes(world: World) -> Result<()> {
    let (left, right) = (world.create(world.flag("left")?).await?, world.create(world.flag("right")?).await?);
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(read_on(world.clone(), done.clone()));
    for round in 0..100 {
        let config = |flag| {
            let config = World::config(flag, &world.environments[0]);
            Write::UpdateConfig(Config { enabled: round % 2 == 0, ..config })
        };
        world.write(vec![config(&left), config(&right)]).await?;
    }
    done.store(true, Ordering::Relaxed);
    let reads = reader.await??;
    ensure!(reads > 1, "nothing was read meanwhile");
    Ok(())
}

async fn read_on(world: World, done: Arc<AtomicBool>) -> Result<u32> {
    let mut reads = 0;
    let mut following = world.snapshot(0).await?;
    while !done.load(Ordering::Relaxed) {
        check_pair(&world.snapshot(0).await?)?;
        let delta = world.store.changes_since(world.environments[0].id, following.revision).await?;
        following.apply(&delta.context("the environment is gone")?);
        check_pair(&following)?;
        reads += 1;
    }
    Ok(reads)
}

fn check_pair(snapshot: &Snapshot) -> Result<()> {
    let [left, right] = ["left", "right"].map(|key| snapshot.flags.get(key).and_then(|flag| flag.known()));
    let (left, right) = (left.context("left is missing")?, right.context("right is missing")?);
    ensure!(left.enabled == right.enabled, "half a change");
    let last = left.version.max(right.version);
    ensure!(last == snapshot.revision, "revision {} with flags of {last}", snapshot.revision);
    Ok(())
}
