//! The keyring over a real store, with time in the test's hands: what it lets in, and what it does without its store.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use burgee_server::keyring::Keyring;
use bus::InProcess;
use delivery::{Gate, KeyKind, Pages};
use domain::environment::{Color, Environment};
use domain::id::Id;
use domain::key::Key;
use domain::log::{Chain, Change, Write};
use domain::ports::{Bus, Clock, Ids, Store};
use domain::project::Project;
use domain::sdk_key::{Origins, Reach, SdkKey, SdkKeyKind};
use domain::secret::{Secret, hash_secret};
use domain::time::Timestamp;
use tempfile::TempDir;
use testkit::fakes::{CountingIds, FakeClock};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A store with two projects of an environment each, and a keyring that follows it.
struct World {
    store: Arc<dyn Store>,
    clock: Arc<FakeClock>,
    ids: CountingIds,
    bus: InProcess,
    keyring: Arc<Keyring>,
    places: [Environment; 2],
    shutdown: CancellationToken,
    following: JoinHandle<()>,
    _folder: TempDir,
}

async fn commit(store: &dyn Store, clock: &FakeClock, chain: Chain, writes: Vec<Write>) -> Result<()> {
    let change = Change {
        chain,
        at: clock.now(),
        actor: Id::NIL,
        source: "test".to_owned(),
        action: "test",
        entities: Vec::new(),
        before: None,
        after: None,
        comment: None,
        standing: None,
        reads: Vec::new(),
        writes,
    };
    store.commit(change).await?;
    Ok(())
}

impl World {
    async fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = store::open(&format!("sqlite:{}", folder.path().join("burgee.db").display())).await?;
        let (clock, ids, bus) =
            (Arc::new(FakeClock::default()), CountingIds::default(), InProcess::default());
        let mut places = Vec::new();
        for project in ["ours", "theirs"] {
            let id = ids.id(clock.now());
            let key = Key::parse(project).context("no key")?;
            let write = Write::CreateProject(Project::new(id, key, project, Timestamp::from_millis(0)));
            commit(&*store, &clock, Chain::Instance, vec![write]).await?;
            let place = environment(&ids, &clock, id, "production")?;
            let write = Write::CreateEnvironment(place.clone());
            commit(&*store, &clock, Chain::Project(id), vec![write]).await?;
            places.push(place);
        }
        let keyring = Keyring::load(store.clone(), clock.clone()).await?;
        let shutdown = CancellationToken::new();
        let following = keyring.clone().follow(&bus, shutdown.clone());
        let places = places.try_into().ok().context("not two places")?;
        Ok(Self { store, clock, ids, bus, keyring, places, shutdown, following, _folder: folder })
    }

    /// Makes a key of the first project, as `alter` has it.
    async fn make(&self, alter: impl FnOnce(SdkKey) -> SdkKey) -> Result<(SdkKey, String)> {
        let now = self.clock.now();
        let secret = Secret::make(SdkKeyKind::Server.secret(), &self.ids);
        let key = alter(SdkKey {
            id: self.ids.id(now),
            project_id: self.places[0].project_id,
            reach: Reach::of(&self.places[0]),
            name: "key".to_owned(),
            description: String::new(),
            kind: SdkKeyKind::Server,
            origins: Origins::default(),
            hint: secret.hint,
            hash: hash_secret(&secret.text),
            version: 0,
            created_by: Id::NIL,
            created_at: now,
            updated_at: now,
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
            replaced_by: None,
        });
        self.write(Write::CreateSdkKey(key.clone())).await?;
        Ok((key, secret.text))
    }

    async fn write(&self, write: Write) -> Result<()> {
        let chain = Chain::Project(self.places[0].project_id);
        commit(&*self.store, &self.clock, chain, vec![write]).await?;
        self.bus.ring(chain, 1).await;
        Ok(())
    }

    fn in_millis(&self, millis: i64) -> Timestamp {
        Timestamp::from_millis(self.clock.now().as_millis() + millis)
    }

    async fn opens(&self, key: &str) -> bool {
        self.keyring.open(key).await.is_some()
    }

    /// Waits until a key opens something, or nothing any more.
    async fn until(&self, key: &str, opens: bool) -> Result<()> {
        let mut changes = self.keyring.changes();
        let settled = async {
            while self.opens(key).await != opens {
                changes.changed().await?;
            }
            Ok(())
        };
        tokio::time::timeout(Duration::from_secs(10), settled).await.context("it stays as it is")?
    }
}

fn environment(ids: &CountingIds, clock: &FakeClock, project_id: Id, key: &str) -> Result<Environment> {
    let now = clock.now();
    Ok(Environment {
        id: ids.id(now),
        project_id,
        key: Key::parse(key).context("no key")?,
        name: key.to_owned(),
        description: String::new(),
        color: Color::PLAIN,
        protected: false,
        position: 0,
        version: 0,
        created_at: now,
        updated_at: now,
    })
}

#[tokio::test]
async fn a_key_opens_what_it_names_and_nothing_of_another_project() -> Result<()> {
    let world = World::new().await?;
    let (server, secret) = world.make(|key| key).await?;
    let (_, edge) = world.make(|key| SdkKey { kind: SdkKeyKind::Edge, reach: Reach::Project, ..key }).await?;
    let origins = Origins::kept(vec!["https://shop.example".to_owned()]);
    let (_, client) = world.make(|key| SdkKey { kind: SdkKeyKind::Client, origins, ..key }).await?;
    world.until(&client, true).await?;
    let pass = async |key: &str| world.keyring.open(key).await.context("it opens nothing");
    let ours = world.places[0].id.to_string();
    for key in [&secret, &edge, &client] {
        let opened: Vec<_> = pass(key).await?.environments.iter().map(ToString::to_string).collect();
        assert_eq!(opened, [ours.as_str()]);
    }
    assert_eq!(*pass(&secret).await?.id, server.id.to_string());
    for (key, kind, pages) in [
        (&secret, KeyKind::Server, Pages::None),
        (&edge, KeyKind::Server, Pages::None),
        (&client, KeyKind::Client, Pages::Of(["https://shop.example".to_owned()].into())),
    ] {
        let pass = pass(key).await?;
        assert_eq!((pass.kind, &pass.pages), (kind, &pages));
    }
    // One more environment is the edge's as well.
    let new = environment(&world.ids, &world.clock, world.places[0].project_id, "staging")?;
    world.write(Write::CreateEnvironment(new)).await?;
    let mut changes = world.keyring.changes();
    while pass(&edge).await?.environments.len() < 2 {
        tokio::time::timeout(Duration::from_secs(10), changes.changed()).await??;
    }
    assert_eq!(pass(&secret).await?.environments.len(), 1);
    for wrong in [&*server.id.to_string(), &server.hash, "", "bgs_", &secret[..59], &secret.to_uppercase()] {
        assert!(!world.opens(wrong).await, "{wrong}");
    }
    Ok(())
}

#[tokio::test]
async fn keys_of_one_project_stay_when_another_changes_or_goes() -> Result<()> {
    let world = World::new().await?;
    let (_, ours) = world.make(|key| key).await?;
    let there = world.places[1].clone();
    let secret = Secret::make(SdkKeyKind::Server.secret(), &world.ids);
    let (like, key) = world.make(|key| SdkKey { name: "another".to_owned(), ..key }).await?;
    let theirs = SdkKey {
        id: world.ids.id(world.clock.now()),
        project_id: there.project_id,
        reach: Reach::of(&there),
        hash: hash_secret(&secret.text),
        ..like
    };
    let chain = Chain::Project(there.project_id);
    commit(&*world.store, &world.clock, chain, vec![Write::CreateSdkKey(theirs)]).await?;
    world.bus.ring(chain, 1).await;
    world.until(&secret.text, true).await?;
    assert!(world.opens(&ours).await && world.opens(&key).await);
    let gone = Write::DeleteProject { id: there.project_id };
    commit(&*world.store, &world.clock, Chain::Instance, vec![gone]).await?;
    world.bus.ring(Chain::Instance, 1).await;
    world.until(&secret.text, false).await?;
    assert!(world.opens(&ours).await && world.opens(&key).await);
    Ok(())
}

#[tokio::test]
async fn without_its_store_the_last_known_keys_hold_and_still_expire() -> Result<()> {
    let world = World::new().await?;
    let (_, lasting) = world.make(|key| key).await?;
    let end = world.in_millis(60_000);
    let (_, ending) = world.make(|key| SdkKey { expires_at: Some(end), ..key }).await?;
    world.until(&ending, true).await?;
    let mut changes = world.keyring.changes();
    world.store.close().await;
    world.clock.advance(59_999);
    assert!(world.opens(&ending).await);
    world.clock.advance(1);
    assert!(!world.opens(&ending).await, "to the millisecond");
    assert!(world.opens(&lasting).await);
    // Streams wake by this, and find it closed.
    tokio::time::timeout(Duration::from_secs(10), changes.changed()).await??;
    Ok(())
}

#[tokio::test]
async fn uses_are_written_down_at_the_end_too() -> Result<()> {
    let world = World::new().await?;
    let (key, secret) = world.make(|key| key).await?;
    world.until(&secret, true).await?;
    world.clock.advance(90_000);
    assert!(world.opens(&secret).await);
    world.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(10), world.following).await??;
    let kept = world.store.sdk_key(key.project_id, key.id).await?.context("it is gone")?;
    let minute = Timestamp::from_millis(world.clock.now().as_millis() / 60_000 * 60_000);
    ensure!(kept.last_used_at == Some(minute), "{:?}", kept.last_used_at);
    Ok(())
}
