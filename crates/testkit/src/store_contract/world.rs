//! What the properties start from, and short words for what they do.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use domain::environment::{Color, Environment};
use domain::flag::{Config, Flag, Lifecycle, Lifetime};
use domain::id::Id;
use domain::key::Key;
use domain::log::{Chain, Change, Entity, ReadVersion, Write};
use domain::ports::{Head, Ids, SdkKeyFilter, Store};
use domain::project::Project;
use domain::time::Timestamp;
use engine::model::{Kind, Read, Revision, Serve, Snapshot, Variant};
use serde_json::json;

use crate::fakes::CountingIds;

/// When everything happens.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);
/// The name of the history.
pub(super) const EPOCH: &str = "0badcafe";

/// A store with a project and its three environments.
#[derive(Clone)]
pub(super) struct World {
    pub(super) store: Arc<dyn Store>,
    pub(super) project_id: Id,
    /// By position: `development`, `staging`, `production`.
    pub(super) environments: Vec<Environment>,
    ids: Arc<CountingIds>,
}

pub(super) fn key(text: &str) -> Result<Key> {
    Key::parse(text).with_context(|| format!("{text} is no key"))
}

impl World {
    pub(super) async fn found(store: Arc<dyn Store>) -> Result<Self> {
        let ids = Arc::new(CountingIds::default());
        let project_id = ids.id(NOW);
        let mut world = Self { store, project_id, environments: Vec::new(), ids };
        ensure!(world.store.epoch().await?.is_none(), "the store is not empty");
        world.store.renew_epoch(EPOCH).await?;
        world.make_project(project_id, "default").await?;
        let environments = [(2, "production"), (0, "development"), (1, "staging")];
        for (position, name) in environments {
            let environment = world.environment(project_id, name, position)?;
            world.write(vec![Write::CreateEnvironment(environment)]).await?;
        }
        world.environments = world.store.environments(project_id).await?;
        Ok(world)
    }

    pub(super) fn id(&self) -> Id {
        self.ids.id(NOW)
    }

    pub(super) async fn make_project(&self, id: Id, name: &str) -> Result<()> {
        let write = Write::CreateProject(Self::project(id, name)?);
        self.store.commit(self.change(Chain::Instance, vec![write])).await?;
        Ok(())
    }

    pub(super) fn project(id: Id, name: &str) -> Result<Project> {
        let description = format!("all of {name}");
        Ok(Project { description, ..Project::new(id, key(name)?, &name.to_uppercase(), NOW) })
    }

    pub(super) fn environment(&self, project_id: Id, name: &str, position: i32) -> Result<Environment> {
        Ok(Environment {
            id: self.id(),
            project_id,
            key: key(name)?,
            name: name.to_uppercase(),
            description: format!("for {name}"),
            color: Color::PLAIN,
            protected: name == "production",
            position,
            version: 0,
            created_at: NOW,
            updated_at: NOW,
        })
    }

    /// A boolean flag, not yet written.
    pub(super) fn flag(&self, name: &str) -> Result<Flag> {
        let variant = |key: &str, value: bool| Variant { key: key.to_owned(), value: json!(value) };
        Ok(Flag {
            id: self.id(),
            project_id: self.project_id,
            key: key(name)?,
            kind: Kind::Boolean,
            name: String::new(),
            description: String::new(),
            variants: vec![variant("on", true), variant("off", false)],
            tags: Vec::new(),
            client_visible: false,
            lifecycle: Lifecycle::Active,
            archived: false,
            owner: None,
            lifetime: Lifetime::Permanent,
            version: 0,
            created_at: NOW,
            updated_at: NOW,
        })
    }

    /// The flag's config in an environment, not yet written.
    pub(super) fn config(flag: &Flag, environment: &Environment) -> Config {
        Config {
            flag_id: flag.id,
            environment_id: environment.id,
            enabled: false,
            off_variant: Some("off".to_owned()),
            prerequisites: Read::default(),
            targets: Read::default(),
            rules: Vec::new(),
            default: Serve::variant("on").into(),
            version: 0,
            updated_at: NOW,
        }
    }

    /// What makes a flag with a config in every environment.
    pub(super) fn creation(&self, flag: &Flag) -> Vec<Write> {
        let configs = self.environments.iter().map(|environment| Self::config(flag, environment));
        std::iter::once(Write::CreateFlag(flag.clone())).chain(configs.map(Write::CreateConfig)).collect()
    }

    /// Makes a flag with a config in every environment. It comes back with its version.
    pub(super) async fn create(&self, mut flag: Flag) -> Result<Flag> {
        flag.version = self.about(&flag, self.creation(&flag)).await?;
        Ok(flag)
    }

    /// A change to the chain, of which only the writes matter.
    pub(super) fn change(&self, chain: Chain, writes: Vec<Write>) -> Change {
        Change {
            chain,
            at: NOW,
            actor: self.project_id,
            source: "test".to_owned(),
            action: "try_store",
            entities: Vec::new(),
            before: None,
            after: Some("{}".to_owned()),
            comment: None,
            standing: None,
            reads: Vec::new(),
            writes,
        }
    }

    /// A change to the project.
    pub(super) fn in_project(&self, writes: Vec<Write>) -> Change {
        self.change(Chain::Project(self.project_id), writes)
    }

    /// Commits a change to the project.
    pub(super) async fn write(&self, writes: Vec<Write>) -> Result<Revision> {
        Ok(self.store.commit(self.in_project(writes)).await?)
    }

    /// Commits a change to the project that is about a flag.
    pub(super) async fn about(&self, flag: &Flag, writes: Vec<Write>) -> Result<Revision> {
        let change = Change { entities: vec![Entity::flag(flag)], ..self.in_project(writes) };
        Ok(self.store.commit(change).await?)
    }

    pub(super) async fn toggle(&self, flag: &Flag, place: usize, enabled: bool) -> Result<Revision> {
        let environment = self.environments.get(place).context("no such environment")?;
        let config = Config { enabled, ..Self::config(flag, environment) };
        self.about(flag, vec![Write::UpdateConfig(config)]).await
    }

    pub(super) async fn delete(&self, flag: &Flag) -> Result<Revision> {
        self.about(flag, vec![Write::DeleteFlag { id: flag.id, key: flag.key.clone() }]).await
    }

    pub(super) fn read_of(flag: &Flag) -> ReadVersion {
        ReadVersion::Flag { id: flag.id, version: flag.version }
    }

    /// What readers of an environment see, by its position.
    pub(super) async fn snapshot(&self, place: usize) -> Result<Snapshot> {
        let environment = self.environments.get(place).context("no such environment")?;
        self.store.snapshot(environment.id).await?.context("the environment is gone")
    }

    pub(super) async fn head(&self) -> Result<Head> {
        let heads = self.store.heads().await?;
        let own = |head: &Head| head.chain == Chain::Project(self.project_id);
        heads.into_iter().find(own).context("the project has no chain")
    }

    /// All that a refused change could have touched.
    pub(super) async fn traces(&self) -> Result<Traces> {
        let mut snapshots = Vec::new();
        for place in 0..self.environments.len() {
            snapshots.push(self.snapshot(place).await?);
        }
        let heads = self.store.heads().await?;
        let mut entries = 0;
        for head in &heads {
            entries += self.store.log_after(head.chain, 0, 10_000).await?.len();
        }
        let sdk_keys = self.store.sdk_keys(self.project_id, &SdkKeyFilter::all(NOW)).await?.items.len();
        Ok(Traces { heads, entries, snapshots, sdk_keys })
    }
}

/// See [`World::traces`].
#[derive(Debug, PartialEq)]
pub(super) struct Traces {
    heads: Vec<Head>,
    entries: usize,
    snapshots: Vec<Snapshot>,
    sdk_keys: usize,
}
