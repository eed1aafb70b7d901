//! Events are taken once, add up, and go in time.

use anyhow::{Context, Result, ensure};
use domain::environment::Environment;
use domain::id::Id;
use domain::log::Write;
use domain::ports::Taken;
use domain::time::Timestamp;
use domain::usage::{
    Bucket, Evaluated, Exposure, MOST_COUNT, Metric, Shown, StepCount, Stretch, Total, UsageBatch, UsageKind,
    UsageOf,
};
use tokio::task::JoinSet;

use super::world::{NOW, World};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// So many senders come at once.
const MANY: usize = 16;
/// Longer than anything here.
const LONG: i64 = 1_000 * HOUR;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + millis)
}

fn place(world: &World, number: usize) -> Result<&Environment> {
    world.environments.get(number).context("no such environment")
}

fn batch(world: &World, id: &str) -> Result<UsageBatch> {
    Ok(UsageBatch {
        environment_id: place(world, 0)?.id,
        id: id.to_owned(),
        at: NOW,
        accepted: 3,
        skipped: 2,
        rejected: 1,
        minutes: Vec::new(),
        hours: Vec::new(),
        exposures: Vec::new(),
        metrics: Vec::new(),
    })
}

fn bucket(flag: &str, millis: i64, variant: &str, reason: &str, version: u64) -> Bucket {
    let (flag, variant, reason) = (flag.to_owned(), variant.to_owned(), reason.to_owned());
    Bucket { flag, at: at(millis), variant, reason, version }
}

fn exposure(unit: &str, version: u64, variant: &str, millis: i64) -> Exposure {
    let (flag, rule) = ("f".to_owned(), "r1".to_owned());
    Exposure { flag, variant: variant.to_owned(), version, rule, unit: unit.to_owned(), at: at(millis) }
}

fn metric(id: Id, millis: i64) -> (Id, Metric) {
    let (name, unit, flag) = ("revenue".to_owned(), Some("u1".to_owned()), Some("f".to_owned()));
    (id, Metric { name, value: 12.5, unit, flag, variant: None, at: at(millis) })
}

fn of<'a>(world: &World, number: usize, flag: &'a str) -> Result<UsageOf<'a>> {
    let environment_id = place(world, number)?.id;
    Ok(UsageOf { project_id: world.project_id, environment_id, flag, from: at(-LONG), to: at(LONG) })
}

fn evaluated(variant: &str, reason: &str, n: u64) -> Evaluated {
    let variant = Some(variant.to_owned()).filter(|variant| !variant.is_empty());
    Evaluated { variant, reason: reason.to_owned(), n }
}

async fn totals(world: &World, flag: &str) -> Result<Vec<(u64, Option<String>, u64)>> {
    let totals = world.store.usage_totals(&of(world, 0, flag)?, 100).await?;
    Ok(totals.into_iter().map(|Total { version, evaluated: one }| (version, one.variant, one.n)).collect())
}

/// How many rows there are of a kind, in all environments that there ever were.
async fn rows(world: &World, kind: UsageKind) -> Result<u64> {
    let mut rows = 0;
    for environment in &world.environments {
        let all = world.store.usage_stretch(environment, kind, at(2 * LONG), u64::MAX).await?;
        rows += all.map_or(0, |all| all.rows);
    }
    Ok(rows)
}

pub(super) async fn a_batch_is_taken_once(world: World) -> Result<()> {
    let first = UsageBatch {
        minutes: vec![(bucket("f", 0, "on", "STATIC", 7), 5)],
        exposures: vec![exposure("u1", 7, "on", 0)],
        metrics: vec![metric(world.id(), 0)],
        ..batch(&world, "b1")?
    };
    ensure!(world.store.take_events(&first).await? == Taken::New);
    let again = UsageBatch { accepted: 9, metrics: vec![metric(world.id(), 0)], ..first.clone() };
    let before = Taken::Before { accepted: 3, skipped: 2, rejected: 1 };
    ensure!(world.store.take_events(&again).await? == before);
    ensure!(totals(&world, "f").await? == [(7, Some("on".to_owned()), 5)]);
    ensure!(rows(&world, UsageKind::Metrics).await? == 1, "a metric was written twice");
    let elsewhere = UsageBatch { environment_id: place(&world, 1)?.id, metrics: Vec::new(), ..first.clone() };
    ensure!(world.store.take_events(&elsewhere).await? == Taken::New, "ids are an environment's own");
    let other = UsageBatch { id: "b2".to_owned(), metrics: Vec::new(), ..first };
    ensure!(world.store.take_events(&other).await? == Taken::New);
    ensure!(totals(&world, "f").await? == [(7, Some("on".to_owned()), 10)]);
    Ok(())
}

pub(super) async fn of_many_who_send_a_batch_at_once_one_is_taken(world: World) -> Result<()> {
    let mut senders = JoinSet::new();
    for sender in 0..MANY {
        let minutes = vec![(bucket("f", 0, "on", "STATIC", 7), 1), (bucket("g", 0, "on", "STATIC", 7), 1)];
        // Half of them send the same, the others add to the same.
        let id = if sender % 2 == 0 { "b".to_owned() } else { format!("b{sender}") };
        let batch = UsageBatch { id, minutes, ..batch(&world, "")? };
        let store = world.store.clone();
        senders.spawn(async move { store.take_events(&batch).await });
    }
    let mut new = 0;
    while let Some(taken) = senders.join_next().await {
        new += usize::from(taken?? == Taken::New);
    }
    ensure!(new == MANY / 2 + 1, "{new} were taken");
    ensure!(totals(&world, "g").await? == [(7, Some("on".to_owned()), new as u64)]);
    Ok(())
}

pub(super) async fn counts_add_up_and_stay_at_the_greatest(world: World) -> Result<()> {
    for (id, n) in [("b1", MOST_COUNT - 1), ("b2", 1), ("b3", MOST_COUNT), ("b4", 1)] {
        let minutes = vec![(bucket("f", 0, "on", "STATIC", 7), n), (bucket("g", 0, "on", "STATIC", 7), 1)];
        let hours = vec![(bucket("f", -HOUR, "on", "STATIC", 7), n)];
        ensure!(
            world.store.take_events(&UsageBatch { minutes, hours, ..batch(&world, id)? }).await?
                == Taken::New
        );
    }
    ensure!(totals(&world, "f").await? == [(7, Some("on".to_owned()), MOST_COUNT)], "of two that are full");
    ensure!(totals(&world, "g").await? == [(7, Some("on".to_owned()), 4)], "others are not lost");
    let steps = world.store.usage_counts(&of(&world, 0, "f")?, HOUR, 100).await?;
    ensure!(steps.len() == 2 && steps.iter().all(|step| step.evaluated.n == MOST_COUNT), "{steps:?}");
    Ok(())
}

pub(super) async fn counts_are_told_by_step(world: World) -> Result<()> {
    let minutes = vec![
        (bucket("f", 0, "", "DISABLED", 7), 1),
        (bucket("f", 0, "on", "SPLIT", 7), 2),
        (bucket("f", 0, "on", "SPLIT", 8), 3),
        (bucket("f", MINUTE, "on", "SPLIT", 8), 4),
        (bucket("f", HOUR, "off", "STATIC", 8), 5),
        (bucket("f", LONG, "off", "STATIC", 8), 6),
    ];
    let hours = vec![(bucket("f", 0, "on", "SPLIT", 8), 10)];
    let whole = UsageBatch { minutes, hours, ..batch(&world, "b1")? };
    ensure!(world.store.take_events(&whole).await? == Taken::New);
    let step = |millis, evaluated| StepCount { at: at(millis), evaluated };
    let expected = [
        step(0, evaluated("", "DISABLED", 1)),
        step(0, evaluated("on", "SPLIT", 19)),
        step(HOUR, evaluated("off", "STATIC", 5)),
    ];
    let asked = of(&world, 0, "f")?;
    let told = world.store.usage_counts(&asked, HOUR, 100).await?;
    ensure!(told == expected, "{told:?}");
    ensure!(world.store.usage_counts(&asked, HOUR, 2).await? == expected[..2]);
    let by_minute = world.store.usage_counts(&asked, MINUTE, 100).await?;
    ensure!(
        by_minute.len() == 4 && by_minute[2] == step(MINUTE, evaluated("on", "SPLIT", 4)),
        "{by_minute:?}"
    );
    let on = Some("on".to_owned());
    let all = [(8, on.clone(), 17), (8, Some("off".to_owned()), 5), (7, on, 2), (7, None, 1)];
    ensure!(totals(&world, "f").await? == all, "{:?}", totals(&world, "f").await?);
    ensure!(world.store.last_evaluated(&asked).await? == Some(at(LONG)), "whatever time is asked for");
    for (number, flag) in [(1, "f"), (0, "g")] {
        let nothing = of(&world, number, flag)?;
        ensure!(world.store.usage_counts(&nothing, HOUR, 100).await?.is_empty());
        ensure!(world.store.last_evaluated(&nothing).await?.is_none());
    }
    Ok(())
}

pub(super) async fn an_exposure_is_kept_once(world: World) -> Result<()> {
    let batches = [
        ("b1", vec![exposure("u1", 7, "on", 0), exposure("u2", 7, "off", 0)]),
        ("b2", vec![exposure("u1", 7, "off", 5), exposure("u1", 8, "off", 5)]),
    ];
    for (id, exposures) in batches {
        world.store.take_events(&UsageBatch { exposures, ..batch(&world, id)? }).await?;
    }
    let (shown, more) = world.store.usage_shown(&of(&world, 0, "f")?, 100).await?;
    let one = |variant: &str, version| Shown { variant: variant.to_owned(), version, units: 1 };
    ensure!(shown == [one("off", 7), one("off", 8), one("on", 7)] && !more, "{shown:?}");
    Ok(())
}

pub(super) async fn exposures_are_counted_up_to_a_bound(world: World) -> Result<()> {
    let exposures = (0..600).map(|unit| exposure(&format!("u{unit:03}"), 7, "on", unit)).collect();
    world.store.take_events(&UsageBatch { exposures, ..batch(&world, "b1")? }).await?;
    let asked = of(&world, 0, "f")?;
    let units = |shown: Vec<Shown>| shown.iter().map(|shown| shown.units).sum::<u64>();
    let (shown, more) = world.store.usage_shown(&asked, 600).await?;
    ensure!(units(shown) == 600 && !more);
    let (shown, more) = world.store.usage_shown(&asked, 599).await?;
    ensure!(units(shown) == 600 && more, "one more tells that there are more");
    let (shown, _) = world.store.usage_shown(&UsageOf { from: at(10), to: at(20), ..asked }, 600).await?;
    ensure!(units(shown) == 10);
    Ok(())
}

pub(super) async fn a_batch_of_nowhere_is_not_taken(world: World) -> Result<()> {
    let nowhere = UsageBatch { environment_id: world.id(), ..batch(&world, "b1")? };
    ensure!(world.store.take_events(&nowhere).await? == Taken::Gone);
    ensure!(rows(&world, UsageKind::Batches).await? == 0);
    let unfit = UsageBatch { minutes: vec![(bucket("a\0b", 0, "", "STATIC", 7), 1)], ..batch(&world, "b2")? };
    ensure!(world.store.take_events(&unfit).await.is_err(), "not every store can keep it");
    ensure!(world.store.take_events(&batch(&world, "b2")?).await? == Taken::New, "nothing of it was written");
    Ok(())
}

pub(super) async fn minutes_become_hours(world: World) -> Result<()> {
    let minutes = [0, 1, 59, 60, 61].map(|minute| (bucket("f", minute * MINUTE, "on", "STATIC", 7), 1));
    let full = (bucket("f", 2 * MINUTE, "on", "STATIC", 7), MOST_COUNT);
    for (number, minutes) in [(0, minutes.to_vec()), (1, vec![full])] {
        let batch = UsageBatch { environment_id: place(&world, number)?.id, minutes, ..batch(&world, "b1")? };
        world.store.take_events(&batch).await?;
    }
    let (here, there) = (place(&world, 0)?, place(&world, 1)?);
    ensure!(world.store.fold_usage(here, at(61 * MINUTE), 2).await? == 2, "no more than may be");
    ensure!(world.store.fold_usage(here, at(61 * MINUTE), 100).await? == 2, "of this environment alone");
    ensure!(world.store.fold_usage(here, at(61 * MINUTE), 100).await? == 0);
    ensure!(world.store.fold_usage(there, at(61 * MINUTE), 100).await? == 1);
    ensure!((rows(&world, UsageKind::Minutes).await?, rows(&world, UsageKind::Hours).await?) == (1, 3));
    let steps = world.store.usage_counts(&of(&world, 0, "f")?, MINUTE, 100).await?;
    let steps: Vec<_> = steps.iter().map(|step| (step.at, step.evaluated.n)).collect();
    ensure!(steps == [(at(0), 3), (at(HOUR), 1), (at(61 * MINUTE), 1)], "{steps:?}");
    // What comes late is added.
    let late = UsageBatch { minutes: minutes.to_vec(), ..batch(&world, "b2")? };
    world.store.take_events(&late).await?;
    ensure!(world.store.fold_usage(here, at(HOUR), 100).await? == 3);
    let steps = world.store.usage_counts(&of(&world, 0, "f")?, HOUR, 100).await?;
    ensure!(steps.iter().map(|step| step.evaluated.n).collect::<Vec<_>>() == [6, 4], "{steps:?}");
    Ok(())
}

pub(super) async fn old_events_go_piece_by_piece(world: World) -> Result<()> {
    for (number, millis) in [(1, 0), (2, HOUR), (3, 2 * HOUR)] {
        let one = UsageBatch {
            at: at(millis),
            minutes: vec![(bucket("f", millis, "on", "STATIC", 7), 1)],
            hours: vec![(bucket("f", millis, "off", "STATIC", 7), 1)],
            exposures: vec![exposure(&format!("u{number}"), 7, "on", millis)],
            metrics: vec![metric(world.id(), millis)],
            ..batch(&world, &format!("b{number}"))?
        };
        world.store.take_events(&one).await?;
    }
    for kind in UsageKind::ALL {
        let (here, there) = (place(&world, 0)?, place(&world, 1)?);
        let forget = async |before, most| world.store.forget_usage(here, kind, before, most).await;
        ensure!(world.store.forget_usage(there, kind, at(LONG), 10).await? == 0, "{kind:?}");
        ensure!(forget(at(0), 10).await? == 0, "{kind:?}");
        ensure!(forget(at(2 * HOUR), 1).await? == 1, "{kind:?}");
        ensure!(rows(&world, kind).await? == 2, "{kind:?}");
        ensure!(forget(at(2 * HOUR), 10).await? == 1, "{kind:?}");
        ensure!(forget(at(2 * HOUR), 10).await? == 0, "{kind:?}");
    }
    let again = UsageBatch { at: at(LONG), ..batch(&world, "b1")? };
    ensure!(world.store.take_events(&again).await? == Taken::New, "it was forgotten");
    Ok(())
}

pub(super) async fn what_is_too_much_is_found(world: World) -> Result<()> {
    // Two of each moment.
    let exposures = (0..10).map(|unit| exposure(&format!("u{unit}"), 7, "on", unit / 2)).collect();
    world.store.take_events(&UsageBatch { exposures, ..batch(&world, "b1")? }).await?;
    for (before, most, rows, from) in [
        (5, 1, 2, 4),
        (5, 2, 2, 4),
        (5, 3, 4, 3),
        (3, 2, 2, 2),
        (5, 10, 10, 0),
        (5, 11, 10, 0),
        (5, u64::MAX, 10, 0),
    ] {
        let found =
            world.store.usage_stretch(place(&world, 0)?, UsageKind::Exposures, at(before), most).await?;
        ensure!(found == Some(Stretch { rows, from: at(from) }), "{before} {most}: {found:?}");
    }
    for (number, before) in [(0, 0), (1, 5)] {
        let found =
            world.store.usage_stretch(place(&world, number)?, UsageKind::Exposures, at(before), 1).await?;
        ensure!(found.is_none(), "{found:?}");
    }
    Ok(())
}

pub(super) async fn events_go_with_their_environment(world: World) -> Result<()> {
    let doomed = place(&world, 1)?.id;
    for number in [0, 1, 2] {
        let one = UsageBatch {
            environment_id: place(&world, number)?.id,
            minutes: vec![
                (bucket("f", 0, "on", "STATIC", 7), 1),
                (bucket("f", MINUTE, "on", "STATIC", 7), 1),
            ],
            hours: vec![(bucket("f", 0, "on", "STATIC", 7), 1)],
            exposures: vec![exposure("u1", 7, "on", 0)],
            metrics: vec![metric(world.id(), 0)],
            ..batch(&world, "b1")?
        };
        world.store.take_events(&one).await?;
    }
    ensure!(world.store.sweep_usage(100).await? == 0, "all are there");
    world.write(vec![Write::DeleteEnvironment { id: doomed }]).await?;
    let (mut pieces, mut gone) = (0, 0);
    loop {
        match world.store.sweep_usage(1).await? {
            0 => break,
            some => (pieces, gone) = (pieces + 1, gone + some),
        }
    }
    ensure!((pieces, gone) == (6, 6), "{pieces} pieces of {gone} rows");
    for kind in UsageKind::ALL {
        let left = if kind == UsageKind::Minutes { 4 } else { 2 };
        ensure!(rows(&world, kind).await? == left, "{kind:?}");
    }
    let late = UsageBatch { environment_id: doomed, ..batch(&world, "b2")? };
    ensure!(world.store.take_events(&late).await? == Taken::Gone);
    Ok(())
}
