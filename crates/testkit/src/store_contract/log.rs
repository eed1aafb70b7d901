//! The one log.

use anyhow::{Context, Result, bail, ensure};
use domain::audit;
use domain::id::Id;
use domain::log::{Chain, Change, Entity, Link, LogEntry, Texts, Write, link};
use domain::ports::{LogFilter, Page};
use domain::time::Timestamp;

use super::world::{NOW, World};

async fn page(world: &World, filter: LogFilter) -> Result<Page<LogEntry>> {
    Ok(world.store.log(Chain::Project(world.project_id), &filter).await?)
}

fn revisions(entries: &[LogEntry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.revision).collect()
}

pub(super) async fn the_log_is_a_chain(world: World) -> Result<()> {
    let flag = world.create(world.flag("linked")?).await?;
    world.toggle(&flag, 0, true).await?;
    world.delete(&flag).await?;
    for head in world.store.heads().await? {
        let entries = world.store.log_after(head.chain, 0, 1_000).await?;
        let mut previous = [0; 32];
        for (index, entry) in entries.iter().enumerate() {
            ensure!(entry.revision == index as u64 + 1);
            ensure!(entry.chain == head.chain);
            ensure!(entry.hash == link(&previous, &Link::from(entry)), "revision {}", entry.revision);
            previous = entry.hash;
        }
        ensure!((head.revision, head.hash) == (entries.len() as u64, previous));
    }
    let verified = audit::verify(&*world.store).await?;
    ensure!(verified.iter().all(|chain| chain.fault.is_none()), "{verified:?}");
    Ok(())
}

pub(super) async fn the_log_comes_in_pages(world: World) -> Result<()> {
    let start = world.head().await?.revision;
    for _ in 0..10 {
        world.write(Vec::new()).await?;
    }
    let end = start + 10;
    let first = page(&world, LogFilter { limit: 4, ..LogFilter::default() }).await?;
    ensure!(revisions(&first.items) == [end, end - 1, end - 2, end - 3], "newest first");
    ensure!((first.total, first.more) == (Some(end), true));
    let before = Some(end - 3);
    let second = page(&world, LogFilter { before, limit: 100, ..LogFilter::default() }).await?;
    ensure!(revisions(&second.items) == (1..end - 3).rev().collect::<Vec<_>>());
    ensure!((second.total, second.more) == (Some(end), false), "the total is of the whole list");
    let before = Some(u64::MAX);
    let all = page(&world, LogFilter { before, limit: 1, ..LogFilter::default() }).await?;
    ensure!(revisions(&all.items) == [end]);
    let chain = Chain::Project(world.project_id);
    let after = world.store.log_after(chain, end - 3, 2).await?;
    ensure!(revisions(&after) == [end - 2, end - 1], "oldest first");
    ensure!(world.store.log_after(chain, end, 2).await?.is_empty());
    Ok(())
}

pub(super) async fn the_log_is_found_by_entity(world: World) -> Result<()> {
    let (one, other) = (world.create(world.flag("one")?).await?, world.create(world.flag("other")?).await?);
    let toggled = world.toggle(&one, 0, true).await?;
    world.toggle(&other, 0, true).await?;
    let both = Change {
        entities: vec![Entity::flag(&other), Entity::flag(&one), Entity::flag(&one)],
        ..world.in_project(Vec::new())
    };
    let both = world.store.commit(both).await?;
    let about = async |entities: Vec<Id>, before, limit| {
        page(&world, LogFilter { entities, before, limit, most_counted: 3, ..LogFilter::default() }).await
    };
    let newest = about(vec![one.id], None, 2).await?;
    ensure!(revisions(&newest.items) == [both, toggled]);
    ensure!((newest.total, newest.more) == (Some(3), true));
    let rest = about(vec![one.id], Some(toggled), 2).await?;
    ensure!(revisions(&rest.items) == [one.version]);
    ensure!((rest.total, rest.more) == (Some(3), false));
    let of_both = about(vec![one.id, other.id], None, 9).await?;
    ensure!(of_both.total == Some(1), "only what was about both of them: {of_both:?}");
    ensure!(revisions(&of_both.items) == [both]);
    let nobody = about(vec![world.id()], None, 2).await?;
    ensure!(nobody.items.is_empty());
    ensure!((nobody.total, nobody.more) == (Some(0), false));
    world.toggle(&one, 0, false).await?;
    let fourth = about(vec![one.id], None, 1).await?;
    ensure!((fourth.total, fourth.more) == (None, true), "more than are counted: {fourth:?}");
    Ok(())
}

pub(super) async fn the_log_of_an_environment_has_what_affected_it(world: World) -> Result<()> {
    let [development, staging, _] = world.environments.as_slice() else { bail!("not three environments") };
    let [(_, made_first), (_, made_next)] = [development, staging].map(|one| (one.id, one.version));
    let created = world.create(world.flag("one")?).await?;
    let toggled = world.toggle(&created, 0, true).await?;
    let renamed = world.about(&created, vec![Write::UpdateFlag(created.clone())]).await?;
    let field = world.write(vec![Write::CreateContextField(world.field("plan")?)]).await?;
    let recolored = Change {
        entities: vec![Entity::environment(staging)],
        ..world.in_project(vec![Write::UpdateEnvironment(staging.clone())])
    };
    let recolored = world.store.commit(recolored).await?;
    let deleted = world.delete(&created).await?;
    let about = async |entities: Vec<Id>| -> Result<Vec<u64>> {
        let filter = LogFilter { entities, limit: 99, most_counted: 99, ..LogFilter::default() };
        let page = page(&world, filter).await?;
        ensure!(page.total == Some(page.items.len() as u64), "{page:?}");
        Ok(revisions(&page.items))
    };
    let first = [deleted, field, renamed, toggled, created.version, made_first];
    ensure!(about(vec![development.id]).await? == first, "{:?}", about(vec![development.id]).await?);
    let next = [deleted, recolored, field, renamed, created.version, made_next];
    ensure!(about(vec![staging.id]).await? == next, "{:?}", about(vec![staging.id]).await?);
    ensure!(about(vec![created.id, staging.id]).await? == [deleted, renamed, created.version]);
    ensure!(world.store.logged_entity(world.project_id, "environment", "staging").await? == Some(staging.id));
    let entry = world.store.log_after(Chain::Project(world.project_id), toggled - 1, 1).await?;
    ensure!(
        entry.iter().all(|entry| entry.entities == [Entity::flag(&created)]),
        "what it says stays as it was"
    );
    Ok(())
}

pub(super) async fn the_last_entity_of_a_key_is_known(world: World) -> Result<()> {
    let known = async |kind, key| world.store.logged_entity(world.project_id, kind, key).await;
    ensure!(known("flag", "reborn").await?.is_none());
    let first = world.create(world.flag("reborn")?).await?;
    world.delete(&first).await?;
    ensure!(known("flag", "reborn").await? == Some(first.id), "it is gone, and still known");
    let second = world.create(world.flag("reborn")?).await?;
    ensure!(known("flag", "reborn").await? == Some(second.id), "the newest");
    ensure!(known("segment", "reborn").await?.is_none(), "of another kind");
    ensure!(known("flag", "Reborn").await?.is_none());
    ensure!(known("flag", "a\0b").await?.is_none());
    let elsewhere = world.id();
    ensure!(world.store.logged_entity(elsewhere, "flag", "reborn").await?.is_none());
    Ok(())
}

pub(super) async fn texts_come_back_byte_for_byte(world: World) -> Result<()> {
    let texts = [
        ("{\"b\" : 1.0,\n\t\"a\":1e2, \"a\": 2 } ", "{}", "  why? — 日本語 🚩 \u{7f} \r\n'\"\\ "),
        ("", "null", ""),
        ("[10.0,1e400]", "e\u{301} is not \u{e9}", "$1 ? %s"),
    ];
    for (before, after, comment) in texts {
        let entity = Entity { kind: "flag".to_owned(), id: world.id(), key: "ä 'key'".to_owned() };
        let change = Change {
            at: Timestamp::from_millis(-1),
            actor: Id::NIL,
            source: "sôurce".to_owned(),
            action: "redact_nothing",
            entities: vec![entity, Entity { kind: "x".to_owned(), id: world.id(), key: String::new() }],
            before: Some(before.to_owned()),
            after: Some(after.to_owned()),
            comment: Some(comment.to_owned()),
            ..world.in_project(Vec::new())
        };
        world.store.commit(change.clone()).await?;
        let entry = last(&world).await?;
        let said = (&entry.before, &entry.after, &entry.comment, &entry.source, entry.action.as_str());
        ensure!(said == (&change.before, &change.after, &change.comment, &change.source, change.action));
        ensure!((entry.at, entry.actor) == (change.at, change.actor));
        ensure!(entry.entities == change.entities, "{:?}", entry.entities);
        ensure!(entry.texts == Texts::of(Some(before), Some(after), Some(comment)));
    }
    let change = Change { after: None, ..world.in_project(Vec::new()) };
    world.store.commit(change).await?;
    let entry = last(&world).await?;
    ensure!((entry.before, entry.after, entry.comment) == (None, None, None), "no text is not an empty one");
    ensure!(entry.texts == Texts::of(None, None, None));
    Ok(())
}

async fn last(world: &World) -> Result<LogEntry> {
    let page = page(world, LogFilter { limit: 1, ..LogFilter::default() }).await?;
    page.items.into_iter().next().context("the log is empty")
}

pub(super) async fn a_project_has_its_own_chain(world: World) -> Result<()> {
    let (other, own) = (world.id(), world.head().await?);
    world.make_project(other, "other").await?;
    let heads = world.store.heads().await?;
    let chains: Vec<_> = heads.iter().map(|head| head.chain).collect();
    ensure!(
        chains == [Chain::Instance, Chain::Project(world.project_id), Chain::Project(other)],
        "{chains:?}"
    );
    let new = heads.last().context("no chain")?;
    ensure!((new.revision, new.hash) == (0, [0; 32]), "nothing has happened there");
    ensure!(world.head().await? == own, "making a project is the instance's change");
    let environment = world.environment(other, "development", 0)?;
    let change = world.change(Chain::Project(other), vec![Write::CreateEnvironment(environment)]);
    ensure!(world.store.commit(change).await? == 1, "it counts for itself");
    ensure!(world.head().await? == own);
    let entries = world.store.log_after(Chain::Project(other), 0, 10).await?;
    ensure!(entries.len() == 1 && entries.iter().all(|entry| entry.at == NOW));
    ensure!(world.store.log_after(Chain::Project(world.id()), 0, 10).await?.is_empty());
    Ok(())
}
