//! Requests under a key are noted once, and forgotten in time.

use anyhow::{Result, ensure};
use domain::id::Id;
use domain::idempotency::Attempt;
use domain::ports::{AnswerRoom, Noted};
use domain::time::Timestamp;
use tokio::task::JoinSet;

use super::world::{NOW, World};

/// So many writers come at once.
const MANY: usize = 16;
/// For more answers than there are.
const ROOM: AnswerRoom = AnswerRoom { of_one: 1 << 20, of_all: 1 << 20 };
/// More than a store forgets with one statement.
const OLD: usize = 1_100;

fn later(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + millis)
}

fn attempt(world: &World, account_id: Id, key: &str) -> Attempt {
    Attempt {
        id: world.id(),
        account_id,
        key_hash: key.to_owned(),
        credential_hash: "c0ffee".to_owned(),
        fingerprint: "f00d".to_owned(),
        begun_at: NOW,
        answer: None,
    }
}

pub(super) async fn a_request_is_noted_once(world: World) -> Result<()> {
    let (ada, bob) = (world.id(), world.id());
    let first = attempt(&world, ada, "k1");
    ensure!(world.store.note_attempt(&first, NOW, 10).await? == Noted::New);
    let second = Attempt { fingerprint: "bad".to_owned(), ..attempt(&world, ada, "k1") };
    ensure!(world.store.note_attempt(&second, NOW, 10).await? == Noted::Before(first));
    ensure!(world.store.note_attempt(&attempt(&world, ada, "k2"), NOW, 10).await? == Noted::New);
    ensure!(world.store.note_attempt(&attempt(&world, bob, "k1"), NOW, 10).await? == Noted::New);
    Ok(())
}

pub(super) async fn an_answer_is_kept(world: World) -> Result<()> {
    let account = world.id();
    let noted = [[0, 255, 10].as_slice(), b""].map(|answer| (world.id().to_string(), answer));
    for (key, answer) in noted {
        let first = attempt(&world, account, &key);
        world.store.note_attempt(&first, NOW, 10).await?;
        world.store.end_attempt(first.id, Some(answer), ROOM).await?;
        let again = world.store.note_attempt(&attempt(&world, account, &key), NOW, 10).await?;
        ensure!(again == Noted::Before(Attempt { answer: Some(answer.to_vec()), ..first }), "{again:?}");
    }
    let given_up = attempt(&world, account, "k3");
    world.store.note_attempt(&given_up, NOW, 10).await?;
    world.store.end_attempt(given_up.id, None, ROOM).await?;
    ensure!(world.store.note_attempt(&attempt(&world, account, "k3"), NOW, 10).await? == Noted::New);
    // Whoever was given up may still be at work: its answer is nobody's.
    world.store.end_attempt(given_up.id, Some(b"late"), ROOM).await?;
    let again = world.store.note_attempt(&attempt(&world, account, "k3"), NOW, 10).await?;
    ensure!(matches!(again, Noted::Before(Attempt { answer: None, .. })), "{again:?}");
    Ok(())
}

pub(super) async fn requests_are_forgotten(world: World) -> Result<()> {
    let account = world.id();
    let first = attempt(&world, account, "k1");
    world.store.note_attempt(&first, NOW, 10).await?;
    let second = Attempt { begun_at: later(2), ..attempt(&world, account, "k1") };
    ensure!(world.store.note_attempt(&second, NOW, 10).await? == Noted::Before(first.clone()));
    ensure!(world.store.note_attempt(&second, later(1), 10).await? == Noted::New, "it was forgotten by then");
    for _ in 0..OLD {
        let old = attempt(&world, account, &world.id().to_string());
        world.store.note_attempt(&old, NOW, 10_000).await?;
    }
    ensure!(world.store.sweep_attempts(NOW).await? == 0);
    ensure!(world.store.sweep_attempts(later(2)).await? == OLD as u64);
    let again = world.store.note_attempt(&attempt(&world, account, "k1"), NOW, 10).await?;
    ensure!(again == Noted::Before(second), "{again:?}");
    Ok(())
}

pub(super) async fn of_many_at_once_one_is_noted(world: World) -> Result<()> {
    let account = world.id();
    let mut writers = JoinSet::new();
    for _ in 0..MANY {
        let (store, attempt) = (world.store.clone(), attempt(&world, account, "k1"));
        writers.spawn(async move { store.note_attempt(&attempt, NOW, 10).await });
    }
    let mut new = 0;
    while let Some(noted) = writers.join_next().await {
        new += usize::from(noted?? == Noted::New);
    }
    ensure!(new == 1, "{new} of {MANY} were noted");
    Ok(())
}

pub(super) async fn an_account_has_so_many_requests(world: World) -> Result<()> {
    let (ada, bob) = (world.id(), world.id());
    let old = Attempt { begun_at: later(-1), ..attempt(&world, ada, "k0") };
    for attempt in [old, attempt(&world, ada, "k1"), attempt(&world, ada, "k2")] {
        ensure!(world.store.note_attempt(&attempt, later(-1), 3).await? == Noted::New);
    }
    let one_more = attempt(&world, ada, "k3");
    ensure!(world.store.note_attempt(&one_more, NOW, 2).await? == Noted::TooMany);
    let known = world.store.note_attempt(&attempt(&world, ada, "k1"), NOW, 2).await?;
    ensure!(matches!(known, Noted::Before(_)), "{known:?}");
    ensure!(world.store.note_attempt(&attempt(&world, bob, "k3"), NOW, 2).await? == Noted::New);
    ensure!(world.store.note_attempt(&one_more, NOW, 3).await? == Noted::New, "the oldest is forgotten");
    Ok(())
}

pub(super) async fn answers_are_bounded_in_bytes(world: World) -> Result<()> {
    let room = AnswerRoom { of_one: 100, of_all: 150 };
    let (ada, bob) = (world.id(), world.id());
    // When it began, and what is kept of it.
    let answer = async |account: Id, key: &str, at: i64, bytes: usize| -> Result<()> {
        let first = Attempt { begun_at: later(at), ..attempt(&world, account, key) };
        ensure!(world.store.note_attempt(&first, NOW, 100).await? == Noted::New);
        Ok(world.store.end_attempt(first.id, Some(&vec![7; bytes]), room).await?)
    };
    let kept = async |account: Id, key: &str| -> Result<Option<usize>> {
        match world.store.note_attempt(&attempt(&world, account, key), NOW, 100).await? {
            Noted::Before(earlier) => Ok(earlier.answer.map(|answer| answer.len())),
            other => anyhow::bail!("{key}: {other:?}"),
        }
    };
    for (key, at) in [("k2", 2), ("k1", 1), ("k3", 3)] {
        answer(ada, key, at, 40).await?;
    }
    let of_ada = (kept(ada, "k1").await?, kept(ada, "k2").await?, kept(ada, "k3").await?);
    ensure!(of_ada == (Some(0), Some(40), Some(40)), "the oldest goes: {of_ada:?}");
    answer(bob, "k1", 4, 60).await?;
    answer(bob, "k2", 5, 80).await?;
    ensure!(
        kept(bob, "k1").await? == Some(60) && kept(bob, "k2").await? == Some(0),
        "there is no room for it"
    );
    answer(bob, "k3", 6, 70).await?;
    ensure!(kept(bob, "k1").await? == Some(0) && kept(bob, "k3").await? == Some(70));
    ensure!(kept(ada, "k2").await? == Some(40), "nobody's go for another's");
    // What is forgotten, by time or by its key, leaves room.
    let again = Attempt { begun_at: later(9), ..attempt(&world, bob, "k3") };
    ensure!(world.store.note_attempt(&again, later(7), 100).await? == Noted::New);
    world.store.sweep_attempts(later(3)).await?;
    answer(bob, "k4", 10, 90).await?;
    ensure!(kept(bob, "k4").await? == Some(90) && kept(ada, "k3").await? == Some(40));
    Ok(())
}
