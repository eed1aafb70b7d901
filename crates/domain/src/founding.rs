//! The first start: an empty store becomes an instance with a project, three environments, an admin and keys.
//! Later starts add what they are newly told and say so.

mod later;
mod restore;
mod signing_key;

use std::sync::Arc;

use engine::model::Revision;
use later::email_fingerprint;
use serde_json::json;

use crate::account::{
    AccessToken, Account, AccountKind, AccountWrite, Role, SigningKey, hash_password, is_email, is_password,
    password_rule,
};
use crate::control::{DEFAULT_ENVIRONMENT, DEFAULT_PROJECT, unexpected};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::key::Key;
use crate::log::{Chain, Change, Entity, Write};
use crate::ports::{Clock, CommitError, Ids, SdkKeyFilter, Store};
use crate::project::{Project, first_environments};
use crate::sdk_key::{self, KeyState, NewSdkKey, Origins, Reach, SdkKeyKind};
use crate::secret::{Secret, SecretKind, hash_secret, looks_made};
use crate::time::Timestamp;

/// The door that founding comes by, in the log.
const SOURCE: &str = "start";
/// The first admin's e-mail, unless it is told.
const FIRST_ADMIN: &str = "admin@burgee.local";
/// The name of the account behind a given admin key.
const SERVICE_ACCOUNT: &str = "admin-key";
/// What people read of a given admin key.
const GIVEN_TOKEN: &str = "ADMIN_API_KEY";
/// How long a setup token is good, in seconds: 15 minutes.
const SETUP_LASTS: i64 = 15 * 60;

/// Secrets that a start may be told; what it is not told, a first start makes.
#[derive(Default)]
pub struct Given {
    /// The first admin's e-mail.
    pub admin_email: Option<String>,
    /// The first admin's password.
    pub admin_password: Option<String>,
    /// A credential of a service account with the role admin.
    pub admin_api_key: Option<String>,
    /// A server-kind key of the default environment.
    pub sdk_api_key: Option<String>,
    /// A secret that signs session tokens.
    pub jwt_secret: Option<String>,
}

/// What a start made. Secrets in it are shown once and kept nowhere.
#[derive(Default)]
pub struct Founded {
    /// The admin's e-mail and password, if the password was made here.
    pub admin: Option<(String, String)>,
    /// What makes the first admin, once, and until when; made by each start that finds no admin who could sign in.
    pub setup_token: Option<(String, Timestamp)>,
    /// SDK keys that were made here, with their kind.
    pub sdk_keys: Vec<(SdkKeyKind, String)>,
    /// What an operator should know, as sentences.
    pub warnings: Vec<String>,
}

/// Founds what is missing. Safe to repeat, also after a start that was cut off.
pub struct Founding {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub ids: Arc<dyn Ids>,
    /// The shortest password, in characters.
    pub shortest_password: usize,
    /// How long a session token holds, in seconds.
    pub token_ttl: i64,
    /// Whether a first start that is told of no admin makes one. Otherwise a setup token does.
    pub make_admin: bool,
}

impl Founding {
    /// Founds what is missing and adds what is newly told.
    pub async fn found(&self, given: Given) -> Result<Founded> {
        self.check(&given)?;
        if self.store.epoch().await?.is_none() {
            self.renew_epoch().await?;
        }
        let mut founded = Founded::default();
        let project_id = match self.store.project(DEFAULT_PROJECT).await? {
            Some(project) => {
                self.add_given(&given, &mut founded).await?;
                project.id
            }
            None => self.found_instance(&given, &mut founded).await?,
        };
        let environments = self.store.environments(project_id).await?;
        match environments.iter().find(|environment| environment.key.as_str() == DEFAULT_ENVIRONMENT) {
            None => self.found_project(project_id, &given, &mut founded).await?,
            Some(default) => self.add_sdk_key(default, &given, &mut founded).await?,
        }
        if self.store.admins(1).await?.is_empty() {
            let secret = Secret::make(SecretKind::SetupToken, &*self.ids);
            let end = self.clock.now().after_seconds(SETUP_LASTS);
            self.store.put_setup_token(&secret.hash, end).await?;
            founded.setup_token = Some((secret.text, end));
        }
        Ok(founded)
    }

    /// An admin who could not sign in is no admin.
    fn check(&self, given: &Given) -> Result<()> {
        if given.admin_email.as_deref().is_some_and(|email| !is_email(email)) {
            return Err(Error::invalid("BURGEE_ADMIN_EMAIL", "must be an e-mail address"));
        }
        if given
            .admin_password
            .as_deref()
            .is_some_and(|password| !is_password(password, self.shortest_password))
        {
            return Err(Error::invalid("BURGEE_ADMIN_PASSWORD", password_rule(self.shortest_password)));
        }
        given.sdk_api_key.as_deref().map_or(Ok(()), check_given_key)
    }

    /// Gives the history a new name; see [`Store::renew_epoch`].
    pub async fn renew_epoch(&self) -> Result<()> {
        Ok(self.store.renew_epoch(&hex::encode(&self.ids.secret()[..4])).await?)
    }

    /// The project, the admin and what signs sessions: one change.
    async fn found_instance(&self, given: &Given, founded: &mut Founded) -> Result<Id> {
        let now = self.clock.now();
        let project_id = self.ids.id(now);
        let named = given.admin_email.is_some() || given.admin_password.is_some();
        let admin = if named || self.make_admin { Some(self.admin(given, founded)?) } else { None };
        let key =
            Key::parse(DEFAULT_PROJECT).ok_or_else(|| Error::Internal("the default key is none".into()))?;
        let project = Project::new(project_id, key, "Default", now);
        let mut entities = vec![Entity::project(&project)];
        let signing_key = SigningKey::make(given.jwt_secret.as_deref(), &*self.ids, now);
        let mut writes =
            vec![Write::CreateProject(project), Write::Account(AccountWrite::CreateSigningKey(signing_key))];
        if let Some(admin) = admin {
            entities.push(admin.entity());
            writes.push(noted(email_fingerprint(&admin.email)));
            writes.push(Write::Account(AccountWrite::Create(admin)));
        }
        if let Some(secret) = &given.admin_api_key {
            let service = self.service_account();
            entities.push(service.entity());
            let token = self.access_token(service.id, secret);
            writes.push(noted(token.hash.clone()));
            writes.push(Write::Account(AccountWrite::Create(service)));
            writes.push(Write::Account(AccountWrite::CreateAccessToken(token)));
        }
        let after = json!({ "project": DEFAULT_PROJECT, "accounts": entities.iter().skip(1).map(|one| &one.key).collect::<Vec<_>>() });
        self.commit(Chain::Instance, "found_instance", entities, after.to_string(), writes).await?;
        Ok(project_id)
    }

    /// The environments and the first keys: one change.
    async fn found_project(&self, project_id: Id, given: &Given, founded: &mut Founded) -> Result<()> {
        let environments = first_environments(project_id, &*self.ids, self.clock.now())?;
        let mut entities: Vec<_> = environments.iter().map(Entity::environment).collect();
        let after = json!({ "environments": entities.iter().map(|one| &one.key).collect::<Vec<_>>() });
        let [default, ..] = &environments;
        let mut keys = vec![self.made(default, SdkKeyKind::Client, founded)];
        keys.push(match &given.sdk_api_key {
            Some(key) => self.given_sdk_key(default, key),
            None => self.made(default, SdkKeyKind::Server, founded),
        });
        entities.extend(keys.iter().map(|key| Entity {
            kind: "sdk_key".to_owned(),
            id: key.id,
            key: key.name.clone(),
        }));
        let writes = environments.into_iter().map(Write::CreateEnvironment);
        let writes = writes.chain(keys.into_iter().map(Write::CreateSdkKey)).collect();
        self.commit(Chain::Project(project_id), "found_project", entities, after.to_string(), writes).await?;
        Ok(())
    }

    /// What a later start is newly told about accounts and signing.
    async fn add_given(&self, given: &Given, founded: &mut Founded) -> Result<()> {
        if let Some(secret) = &given.jwt_secret {
            self.add_signing_key(secret, founded).await?;
        }
        if let Some(secret) = &given.admin_api_key {
            self.add_admin_key(secret, founded).await?;
        }
        self.add_admin(given, founded).await
    }

    /// What a later start is newly told about applications' keys.
    async fn add_sdk_key(&self, default: &Environment, given: &Given, founded: &mut Founded) -> Result<()> {
        let Some(key) = &given.sdk_api_key else { return Ok(()) };
        let hash = hash_secret(key);
        let filter = SdkKeyFilter::all(self.clock.now());
        let keys = self.store.sdk_keys(default.project_id, &filter).await?.items;
        let known = keys.iter().find(|known| known.hash == hash);
        match known.map(|known| known.state(filter.now)) {
            Some(KeyState::InForce) => {}
            Some(KeyState::Revoked) => {
                founded.warnings.push("SDK_API_KEY was revoked and stays so; give another".to_owned());
            }
            Some(KeyState::Expired) => {
                founded.warnings.push("SDK_API_KEY has expired; give another".to_owned());
            }
            None => {
                let key = self.given_sdk_key(default, key);
                let places = std::slice::from_ref(default);
                let change = sdk_key::creation(&key, places, Id::NIL, SOURCE, self.clock.now());
                self.store.commit(change).await.map_err(unexpected)?;
                founded
                    .warnings
                    .push("SDK_API_KEY is new: it was added, and older ones stay valid".to_owned());
            }
        }
        Ok(())
    }

    fn admin(&self, given: &Given, founded: &mut Founded) -> Result<Account> {
        let email = given.admin_email.as_deref().unwrap_or(FIRST_ADMIN).to_lowercase();
        let password = given.admin_password.clone().unwrap_or_else(|| {
            let made = hex::encode(&self.ids.secret()[..12]);
            founded.admin = Some((email.clone(), made.clone()));
            made
        });
        let password_hash = Some(hash_password(&password, &self.ids.secret())?);
        Ok(self.account(email, "Admin".to_owned(), password_hash))
    }

    fn service_account(&self) -> Account {
        self.account(SERVICE_ACCOUNT.to_owned(), "Admin key".to_owned(), None)
    }

    fn account(&self, email: String, name: String, password_hash: Option<String>) -> Account {
        let now = self.clock.now();
        let kind = if password_hash.is_some() { AccountKind::Person } else { AccountKind::Service };
        Account {
            id: self.ids.id(now),
            kind,
            email,
            name,
            role: Role::Admin,
            active: true,
            password_hash,
            version: 0,
            created_at: now,
            updated_at: now,
        }
    }

    fn access_token(&self, account_id: Id, secret: &str) -> AccessToken {
        let now = self.clock.now();
        AccessToken {
            id: self.ids.id(now),
            account_id,
            name: GIVEN_TOKEN.to_owned(),
            hint: String::new(),
            hash: hash_secret(secret),
            scopes: None,
            created_at: now,
            expires_at: None,
            last_used_at: None,
            replaced_by: None,
        }
    }

    fn made(&self, place: &Environment, kind: SdkKeyKind, founded: &mut Founded) -> sdk_key::SdkKey {
        let new = first_key(format!("first {} key", kind.name()), kind, place);
        let (key, secret) = sdk_key::made(&*self.ids, new, place.project_id, Id::NIL, self.clock.now());
        founded.sdk_keys.push((kind, secret));
        key
    }

    fn given_sdk_key(&self, place: &Environment, secret: &str) -> sdk_key::SdkKey {
        let new = first_key("SDK_API_KEY".to_owned(), SdkKeyKind::Server, place);
        sdk_key::given(&*self.ids, new, secret, place.project_id, Id::NIL, self.clock.now())
    }

    async fn commit(
        &self,
        chain: Chain,
        action: &'static str,
        entities: Vec<Entity>,
        after: String,
        writes: Vec<Write>,
    ) -> Result<Revision> {
        let change = Change {
            chain,
            at: self.clock.now(),
            actor: Id::NIL,
            source: SOURCE.to_owned(),
            action,
            entities,
            before: None,
            after: Some(after),
            comment: None,
            standing: None,
            reads: Vec::new(),
            writes,
        };
        self.store.commit(change).await.map_err(|error| match error {
            // Two nodes that start on one empty database: the other founded it.
            CommitError::Taken { .. } => Error::Conflict {
                code: "founded_elsewhere",
                message: "another node founded this database at the same moment; start again".to_owned(),
            },
            error => unexpected(error),
        })
    }
}

/// What keeps that something was given and taken.
fn noted(fingerprint: String) -> Write {
    Write::Account(AccountWrite::NoteGiven { fingerprint })
}

/// A key that a start makes. Which pages will use it nobody knows yet, so a client key says that any may.
fn first_key(name: String, kind: SdkKeyKind, place: &Environment) -> NewSdkKey {
    let origins = if kind == SdkKeyKind::Client { Origins::any() } else { Origins::default() };
    NewSdkKey { name, description: String::new(), kind, reach: Reach::of(place), origins, expires_at: None }
}

/// A key that nobody could use is no key.
fn check_given_key(key: &str) -> Result<()> {
    let fault = if key.len() > sdk_key::MOST_SECRET {
        format!("must have at most {} bytes", sdk_key::MOST_SECRET)
    } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        "must be of visible ASCII characters, as headers are".to_owned()
    } else if looks_made(key) && SecretKind::of(key) != Some(SecretKind::ServerKey) {
        "looks like a secret that Burgee made, and is no server key, or not as it was made; copy all of one"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(Error::invalid("SDK_API_KEY", fault))
}
