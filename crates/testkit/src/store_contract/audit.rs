//! Looking for entries of the logs, and what is taken out of them.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use domain::audit;
use domain::id::Id;
use domain::log::{Chain, Change, Hash, LogEntry, WhichTexts, Write};
use domain::ports::{CommitError, LogFilter, SecurityFilter};
use domain::security::SecurityNote;
use domain::time::Timestamp;

use super::world::World;

async fn revisions(world: &World, filter: LogFilter) -> Result<Vec<u64>> {
    let page = world.store.log(Chain::Project(world.project_id), &filter).await?;
    Ok(page.items.iter().map(|entry| entry.revision).collect())
}

async fn entry(world: &World, revision: u64) -> Result<LogEntry> {
    let entries = world.store.log_after(Chain::Project(world.project_id), revision - 1, 1).await?;
    entries.into_iter().find(|entry| entry.revision == revision).context("no such entry")
}

pub(super) async fn the_log_is_found_by_who_and_what_and_when(world: World) -> Result<()> {
    let (one, other) = (world.id(), world.id());
    let flag = world.create(world.flag("one")?).await?;
    let mut made = Vec::new();
    for (actor, action, at) in [
        (one, "toggle_flag", 100),
        (one, "update_flag", 300),
        (other, "toggle_flag", 200),
        (one, "toggle_flag", 400),
    ] {
        let change = Change {
            actor,
            action,
            at: Timestamp::from_millis(at),
            entities: vec![domain::log::Entity::flag(&flag)],
            ..world.in_project(Vec::new())
        };
        made.push(world.store.commit(change).await?);
    }
    let [first, second, third, fourth] = made.try_into().ok().context("not four")?;
    let all = LogFilter { limit: 99, most_counted: 99, ..LogFilter::default() };
    let of =
        |actor, action: Option<&str>| LogFilter { actor, action: action.map(str::to_owned), ..all.clone() };
    ensure!(revisions(&world, of(Some(one), None)).await? == [fourth, second, first]);
    ensure!(revisions(&world, of(None, Some("toggle_flag"))).await? == [fourth, third, first]);
    ensure!(revisions(&world, of(Some(one), Some("toggle_flag"))).await? == [fourth, first]);
    ensure!(revisions(&world, of(Some(world.id()), None)).await?.is_empty());
    ensure!(revisions(&world, of(None, Some("a\0b"))).await?.is_empty());
    let within = |since: i64, until: i64| LogFilter {
        since: Some(Timestamp::from_millis(since)),
        until: Some(Timestamp::from_millis(until)),
        ..all.clone()
    };
    ensure!(
        revisions(&world, within(200, 400)).await? == [third, second],
        "by revision, and the end is without"
    );
    ensure!(revisions(&world, within(101, 200)).await?.is_empty());
    let about = LogFilter { entities: vec![flag.id], ..within(0, 350) };
    ensure!(revisions(&world, about.clone()).await? == [third, second, first]);
    let about = LogFilter { actor: Some(one), ..about };
    let page = world.store.log(Chain::Project(world.project_id), &LogFilter { limit: 1, ..about }).await?;
    ensure!((page.total, page.more) == (Some(2), true), "{page:?}");
    let counted = LogFilter { most_counted: 2, ..of(Some(one), None) };
    let page = world.store.log(Chain::Project(world.project_id), &counted).await?;
    ensure!(page.total.is_none(), "more than are counted: {page:?}");
    Ok(())
}

pub(super) async fn the_log_comes_oldest_first(world: World) -> Result<()> {
    for _ in 0..5 {
        world.write(Vec::new()).await?;
    }
    let end = world.head().await?.revision;
    let from = |after, before| LogFilter {
        after: Some(after),
        before: Some(before),
        oldest_first: true,
        limit: 2,
        ..LogFilter::default()
    };
    ensure!(revisions(&world, from(0, end)).await? == [1, 2]);
    ensure!(revisions(&world, from(end - 2, end)).await? == [end - 1], "without either end");
    let filter = LogFilter { actor: Some(world.project_id), ..from(end - 2, end + 1) };
    let page = world.store.log(Chain::Project(world.project_id), &filter).await?;
    ensure!((page.items.len(), page.more, page.total) == (2, false, None), "nobody counts: {page:?}");
    Ok(())
}

async fn sound(world: &World) -> Result<Vec<String>> {
    let verified = audit::verify(&*world.store).await?;
    Ok(verified.into_iter().filter_map(|chain| chain.fault).collect())
}

pub(super) async fn texts_are_taken_out(world: World) -> Result<()> {
    let said = Change {
        before: Some("{\"a\":1}".to_owned()),
        comment: Some("my password is hunter2".to_owned()),
        ..world.in_project(Vec::new())
    };
    let revision = world.store.commit(said).await?;
    let texts = WhichTexts { comment: true, ..WhichTexts::default() };
    let redaction = |revision, said: &str| Change {
        action: "redact_change",
        after: Some(format!("{{\"redacted\":{{\"revision\":{revision},\"texts\":[{said}]}}}}")),
        ..world.in_project(vec![Write::RedactEntry { revision, texts }])
    };
    let before = entry(&world, revision).await?;
    world.store.commit(redaction(revision, "\"comment\"")).await?;
    let after = entry(&world, revision).await?;
    ensure!(after == LogEntry { comment: None, ..before }, "the comment alone is gone: {after:?}");
    ensure!(sound(&world).await?.is_empty(), "an entry says so: {:?}", sound(&world).await?);
    let gone = world.store.commit(redaction(revision + 99, "\"comment\"")).await;
    ensure!(matches!(gone, Err(CommitError::Stale)), "{gone:?}");

    let next = Change { comment: Some("x".to_owned()), ..world.in_project(Vec::new()) };
    let next = world.store.commit(next).await?;
    world.store.commit(redaction(next, "\"before\"")).await?;
    ensure!(sound(&world).await?.len() == 1, "what nobody says was taken out is missing");
    Ok(())
}

pub(super) async fn old_entries_go_and_leave_a_checkpoint(world: World) -> Result<()> {
    let flag = world.create(world.flag("one")?).await?;
    world.toggle(&flag, 0, true).await?;
    let last = world.head().await?;
    let expiry = |through, hash: Hash| Change {
        action: "expire_changes",
        after: Some(format!(
            "{{\"checkpoint\":{{\"revision\":{through},\"hash\":\"{}\"}}}}",
            audit::hex(&hash)
        )),
        ..world.in_project(vec![Write::ExpireEntries { through, hash }])
    };
    let refused = world.store.commit(expiry(last.revision, [1; 32])).await;
    ensure!(matches!(refused, Err(CommitError::Stale)), "another hash: {refused:?}");
    ensure!(world.store.checkpoints().await?.is_empty() && sound(&world).await?.is_empty());

    ensure!(world.store.commit(expiry(last.revision, last.hash)).await? == last.revision + 1);
    ensure!(world.store.checkpoints().await? == [last]);
    let all = LogFilter { limit: 99, ..LogFilter::default() };
    let page = world.store.log(Chain::Project(world.project_id), &all).await?;
    ensure!((page.items.len(), page.total) == (1, Some(1)), "{page:?}");
    ensure!(world.store.logged_entity(world.project_id, "flag", "one").await?.is_none());
    ensure!(sound(&world).await?.is_empty(), "{:?}", sound(&world).await?);
    let again = world.store.commit(expiry(last.revision, last.hash)).await;
    ensure!(matches!(again, Err(CommitError::Stale)), "it is gone: {again:?}");
    world.toggle(&flag, 0, false).await?;
    ensure!(world.snapshot(0).await?.flags.len() == 1, "what is there stays");
    ensure!(sound(&world).await?.is_empty());

    let head = world.head().await?;
    world.write(vec![Write::ExpireEntries { through: head.revision, hash: head.hash }]).await?;
    ensure!(sound(&world).await?.len() == 1, "no entry says that these were removed");
    Ok(())
}

pub(super) async fn the_log_of_a_deleted_project_only_loses(world: World) -> Result<()> {
    let id = world.id();
    world.make_project(id, "shop").await?;
    let chain = Chain::Project(id);
    let environment = world.environment(id, "development", 0)?;
    world.store.commit(world.change(chain, vec![Write::CreateEnvironment(environment.clone())])).await?;
    world.store.commit(world.change(Chain::Instance, vec![Write::DeleteProject { id }])).await?;

    let late = world.change(chain, vec![Write::CreateEnvironment(environment)]);
    ensure!(matches!(world.store.commit(late).await, Err(CommitError::Stale)), "nothing is made in it");
    let empty = world.change(chain, Vec::new());
    ensure!(matches!(world.store.commit(empty).await, Err(CommitError::Stale)), "nor said of it");
    let texts = WhichTexts { after: true, ..WhichTexts::default() };
    let redaction = Change {
        action: "redact_change",
        after: Some(r#"{"redacted":{"revision":1,"texts":["after"]}}"#.to_owned()),
        ..world.change(chain, vec![Write::RedactEntry { revision: 1, texts }])
    };
    ensure!(world.store.commit(redaction).await? == 2);
    ensure!(sound(&world).await?.is_empty(), "{:?}", sound(&world).await?);
    let heads = world.store.heads().await?;
    let head = heads.into_iter().find(|head| head.chain == chain).context("its chain is gone")?;
    let (through, hash) = (head.revision, audit::hex(&head.hash));
    let expiry = Change {
        action: "expire_changes",
        after: Some(format!(r#"{{"checkpoint":{{"revision":{through},"hash":"{hash}"}}}}"#)),
        ..world.change(chain, vec![Write::ExpireEntries { through, hash: head.hash }])
    };
    ensure!(world.store.commit(expiry).await? == 3);
    ensure!(world.store.log_after(chain, 0, 9).await?.len() == 1);
    ensure!(sound(&world).await?.is_empty(), "{:?}", sound(&world).await?);
    Ok(())
}

fn note(kind: &str, at: i64) -> SecurityNote {
    let at = Timestamp::from_millis(at);
    let (kind, subject, detail) = (kind.to_owned(), "jo@example.com".to_owned(), String::new());
    SecurityNote { at, last_at: at, count: 1, kind, actor: None, address: None, subject, detail }
}

async fn security_fault(world: &World) -> Result<Option<String>> {
    Ok(audit::verify_security(&*world.store).await?.fault)
}

pub(super) async fn the_security_log_is_a_chain(world: World) -> Result<()> {
    ensure!(world.store.security_head().await?.revision == 0);
    ensure!(security_fault(&world).await?.is_none(), "an empty one is whole");
    let appending = (0..8).map(|number| {
        let store = world.store.clone();
        tokio::spawn(
            async move { store.append_security(&[note("a", number), note("b", number)], None).await },
        )
    });
    for appended in appending.collect::<Vec<_>>() {
        ensure!(appended.await??);
    }
    ensure!(world.store.security_head().await?.revision == 16, "no gaps under concurrency");
    ensure!(security_fault(&world).await?.is_none(), "{:?}", security_fault(&world).await?);
    let heads = world.store.heads().await?;
    ensure!(heads.iter().all(|head| head.chain != Chain::Instance || head.revision == 1), "it is no change");
    Ok(())
}

pub(super) async fn the_security_log_is_found_and_comes_in_pages(world: World) -> Result<()> {
    let (actor, address) = (world.id(), IpAddr::from([203, 0, 113, 7]));
    let whole = SecurityNote {
        last_at: Timestamp::from_millis(900),
        count: 7,
        actor: Some(actor),
        address: Some(address),
        detail: "401 GET /api/v1/flags ' ä 🚩".to_owned(),
        ..note("token_refused", 200)
    };
    let notes = [note("signed_in", 100), whole.clone(), note("signed_in", 300)];
    ensure!(world.store.append_security(&notes, None).await?);
    let all = SecurityFilter { limit: 99, ..SecurityFilter::default() };
    let found = async |filter: SecurityFilter| -> Result<Vec<u64>> {
        let page = world.store.security_log(&filter).await?;
        Ok(page.items.iter().map(|entry| entry.revision).collect())
    };
    let page = world.store.security_log(&all).await?;
    ensure!((page.total, page.more) == (Some(3), false), "{page:?}");
    ensure!(page.items.get(1).is_some_and(|entry| entry.note == whole), "as it was: {page:?}");
    ensure!(found(SecurityFilter { kind: Some("signed_in".to_owned()), ..all.clone() }).await? == [3, 1]);
    ensure!(found(SecurityFilter { actor: Some(actor), ..all.clone() }).await? == [2]);
    ensure!(found(SecurityFilter { actor: Some(Id::NIL), ..all.clone() }).await?.is_empty());
    ensure!(found(SecurityFilter { address: Some(address), ..all.clone() }).await? == [2]);
    let since = Some(Timestamp::from_millis(200));
    let until = Some(Timestamp::from_millis(300));
    ensure!(found(SecurityFilter { since, until, ..all.clone() }).await? == [2]);
    let one = world.store.security_log(&SecurityFilter { before: Some(3), limit: 1, ..all.clone() }).await?;
    ensure!(one.more && one.items.iter().all(|entry| entry.revision == 2));
    let oldest = SecurityFilter { after: Some(1), oldest_first: true, ..all };
    ensure!(found(oldest).await? == [2, 3]);
    Ok(())
}

pub(super) async fn old_security_events_go_and_leave_a_checkpoint(world: World) -> Result<()> {
    world.store.append_security(&[note("a", 1), note("a", 2), note("a", 3)], None).await?;
    let all = SecurityFilter { limit: 99, oldest_first: true, ..SecurityFilter::default() };
    let entries = world.store.security_log(&all).await?.items;
    let second = entries.get(1).context("no second entry")?;
    ensure!(!world.store.append_security(&[note("b", 4)], Some((2, [1; 32]))).await?, "another hash");
    ensure!(world.store.security_head().await?.revision == 3, "nothing was appended");
    let expired =
        SecurityNote { subject: format!("2:{}", audit::hex(&second.hash)), ..note("entries_expired", 5) };
    ensure!(world.store.append_security(&[expired], Some((2, second.hash))).await?);
    let head = world.store.security_head().await?;
    ensure!((head.revision, head.checkpoint, head.checkpoint_hash) == (4, 2, second.hash));
    let page = world.store.security_log(&all).await?;
    ensure!((page.items.len(), page.total) == (2, Some(2)), "{page:?}");
    ensure!(security_fault(&world).await?.is_none(), "{:?}", security_fault(&world).await?);
    let third = page.items.first().context("no third entry")?;
    world.store.append_security(&[note("c", 6)], Some((3, third.hash))).await?;
    ensure!(security_fault(&world).await?.is_some(), "no entry says that these were removed");
    Ok(())
}
