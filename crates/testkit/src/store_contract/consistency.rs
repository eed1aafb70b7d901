//! A delta applied is the snapshot, and nobody sees half a change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use domain::context_field::ContextField;
use domain::flag::{Config, Flag};
use domain::log::Write;
use domain::segment::{Segment, SegmentConfig};
use engine::model::{Keys, Snapshot};
use serde_json::json;

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
    let (mut segment, mut field) = (None, None);
    let mut kept: Vec<(usize, Snapshot)> = Vec::new();
    for step in 0..CHANGES {
        let index = numbers.below(KEYS);
        living[index] = change(&world, living[index].take(), index, &mut numbers).await?;
        if numbers.below(2) == 0 {
            segment = change_segment(&world, segment.take(), &mut numbers).await?;
        }
        if numbers.below(4) == 0 {
            field = change_field(&world, field.take(), &mut numbers).await?;
        }
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

async fn change_segment(
    world: &World,
    living: Option<Segment>,
    numbers: &mut Numbers,
) -> Result<Option<Segment>> {
    let Some(segment) = living else {
        return Ok(Some(world.create_segment(world.segment("segment")?).await?));
    };
    if numbers.below(4) == 0 {
        world.write(vec![Write::DeleteSegment { id: segment.id, key: segment.key }]).await?;
        return Ok(None);
    }
    let config = world.segment_config(&segment, numbers.below(world.environments.len()))?;
    let included = Keys::Inline((0..numbers.below(4)).map(|index| format!("u{index}")).collect());
    world.write(vec![Write::UpdateSegmentConfig(SegmentConfig { included, ..config })]).await?;
    Ok(Some(segment))
}

async fn change_field(
    world: &World,
    living: Option<ContextField>,
    numbers: &mut Numbers,
) -> Result<Option<ContextField>> {
    let Some(mut field) = living else {
        let field = world.field("list")?;
        world.write(vec![Write::CreateContextField(field.clone())]).await?;
        return Ok(Some(field));
    };
    if numbers.below(4) == 0 {
        world.write(vec![Write::DeleteContextField { id: field.id, key: field.key }]).await?;
        return Ok(None);
    }
    field.values = vec![json!(numbers.below(100))];
    world.write(vec![Write::UpdateContextField(field.clone())]).await?;
    Ok(Some(field))
}

/// Two flags are always changed together; no reader may see one without the other, nor a revision without
/// what it brought.
pub(super) async fn readers_see_whole_changes(world: World) -> Result<()> {
    let (left, right) = (world.create(world.flag("left")?).await?, world.create(world.flag("right")?).await?);
    let done = Arc::new(AtomicBool::new(false));
    let reads = Arc::new(AtomicU32::new(0));
    let reader = tokio::spawn(read_on(world.clone(), done.clone(), reads.clone()));
    // On a busy machine the reader may not have begun when the writer is through.
    let mut round = 0;
    while round < 100 || (reads.load(Ordering::Relaxed) < 2 && round < 100_000) {
        let config = |flag| {
            let config = World::config(flag, &world.environments[0]);
            Write::UpdateConfig(Config { enabled: round % 2 == 0, ..config })
        };
        world.write(vec![config(&left), config(&right)]).await?;
        round += 1;
        tokio::task::yield_now().await;
    }
    done.store(true, Ordering::Relaxed);
    reader.await??;
    ensure!(reads.load(Ordering::Relaxed) > 1, "nothing was read meanwhile");
    Ok(())
}

async fn read_on(world: World, done: Arc<AtomicBool>, reads: Arc<AtomicU32>) -> Result<()> {
    let mut following = world.snapshot(0).await?;
    while !done.load(Ordering::Relaxed) {
        check_pair(&world.snapshot(0).await?)?;
        let delta = world.store.changes_since(world.environments[0].id, following.revision).await?;
        following.apply(&delta.context("the environment is gone")?);
        check_pair(&following)?;
        reads.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn check_pair(snapshot: &Snapshot) -> Result<()> {
    let [left, right] = ["left", "right"].map(|key| snapshot.flags.get(key).and_then(|flag| flag.known()));
    let (left, right) = (left.context("left is missing")?, right.context("right is missing")?);
    ensure!(left.enabled == right.enabled, "half a change");
    let last = left.version.max(right.version);
    ensure!(last == snapshot.revision, "revision {} with flags of {last}", snapshot.revision);
    Ok(())
}
