//! The first start: an empty store becomes an instance with a project, three environments, an admin and keys.
//! Later starts add what they are newly told and say so.

use std::sync::Arc;

use engine::model::Revision;
use serde_json::json;

use crate::account::{
    AccessToken, Account, Role, SigningKey, creation as account_creation, hash_password, is_email,
    is_password, password_rule, verify,
};
use crate::control::{DEFAULT_ENVIRONMENT, DEFAULT_PROJECT, unexpected};
use crate::environment::{Color, Environment};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::key::Key;
use crate::log::{Chain, Change, Entity, Write};
use crate::ports::{Clock, CommitError, Ids, Store};
use crate::sdk_key::{self, NewSdkKey, SdkKeyKind};
use crate::secret::hash_secret;

/// The door that founding comes by, in the log.
const SOURCE: &str = "start";
/// The first admin's e-mail, unless it is told.
const FIRST_ADMIN: &str = "admin@burgee.local";
/// The name of the account behind a given admin key.
const SERVICE_ACCOUNT: &str = "admin-key";

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
    /// The project.
    pub project_id: Option<Id>,
    /// The admin's e-mail and password, if the password was made here.
    pub admin: Option<(String, String)>,
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
            Some(project_id) => {
                self.add_given(&given, &mut founded).await?;
                project_id
            }
            None => self.found_instance(&given, &mut founded).await?,
        };
        founded.project_id = Some(project_id);
        let environments = self.store.environments(project_id).await?;
        match environments.iter().find(|environment| environment.key.as_str() == DEFAULT_ENVIRONMENT) {
            None => self.found_project(project_id, &given, &mut founded).await?,
            Some(default) => self.add_sdk_key(default, &given, &mut founded).await?,
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
        Ok(())
    }

    /// Gives the history a new name; see [`Store::renew_epoch`].
    pub async fn renew_epoch(&self) -> Result<()> {
        Ok(self.store.renew_epoch(&hex::encode(&self.ids.secret()[..4])).await?)
    }

    /// Says in the instance's log that what came after this entry was lost: the database was put back from a backup.
    pub async fn note_restore(&self) -> Result<()> {
        let heads = self.store.heads().await?;
        let heads: serde_json::Map<_, _> =
            heads.iter().map(|head| (head.chain.id().to_string(), json!(head.revision))).collect();
        let after = json!({ "restored_at": heads });
        self.commit(Chain::Instance, "restore_backup", Vec::new(), after.to_string(), Vec::new()).await?;
        Ok(())
    }

    /// The project, the admin and what signs sessions: one change.
    async fn found_instance(&self, given: &Given, founded: &mut Founded) -> Result<Id> {
        let now = self.clock.now();
        let project_id = self.ids.id(now);
        let admin = self.admin(given, founded)?;
        let key =
            Key::parse(DEFAULT_PROJECT).ok_or_else(|| Error::Internal("the default key is none".into()))?;
        let mut entities = vec![
            Entity { kind: "project".to_owned(), id: project_id, key: DEFAULT_PROJECT.to_owned() },
            Entity { kind: "account".to_owned(), id: admin.id, key: admin.email.clone() },
        ];
        let mut writes = vec![
            Write::CreateProject { id: project_id, key, name: "Default".to_owned() },
            Write::CreateSigningKey(self.signing_key(given.jwt_secret.as_deref())),
            Write::CreateAccount(admin),
        ];
        if let Some(secret) = &given.admin_api_key {
            let service = self.service_account();
            entities.push(Entity { kind: "account".to_owned(), id: service.id, key: service.email.clone() });
            let token = self.access_token(service.id, secret);
            writes.extend([Write::CreateAccount(service), Write::CreateAccessToken(token)]);
        }
        let after = json!({ "project": DEFAULT_PROJECT, "accounts": entities.iter().skip(1).map(|one| &one.key).collect::<Vec<_>>() });
        self.commit(Chain::Instance, "found_instance", entities, after.to_string(), writes).await?;
        Ok(project_id)
    }

    /// The environments and the first keys: one change.
    async fn found_project(&self, project_id: Id, given: &Given, founded: &mut Founded) -> Result<()> {
        let now = self.clock.now();
        let environment = |position, key: &str, name: &str, color, protected| {
            let key = Key::parse(key).ok_or_else(|| Error::Internal("a default key is none".into()))?;
            let (id, name) = (self.ids.id(now), name.to_owned());
            Ok::<_, Error>(Environment {
                id,
                project_id,
                key,
                name,
                description: String::new(),
                color,
                protected,
                position,
                version: 0,
                created_at: now,
                updated_at: now,
            })
        };
        let environments: [Environment; 3] = [
            environment(0, DEFAULT_ENVIRONMENT, "Development", Color::GREEN, false)?,
            environment(1, "staging", "Staging", Color::AMBER, false)?,
            environment(2, "production", "Production", Color::RED, true)?,
        ];
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
            let known = self.store.signing_keys().await?.iter().any(|key| key.secret == secret.as_bytes());
            if !known {
                let key = self.signing_key(Some(secret));
                let entity = Entity { kind: "signing_key".to_owned(), id: key.id, key: key.id.to_string() };
                let writes = vec![Write::CreateSigningKey(key)];
                self.commit(Chain::Instance, "create_signing_key", vec![entity], "{}".to_owned(), writes)
                    .await?;
                founded.warnings.push(
                    "JWT_SECRET_KEY is new: it signs from now on, and what older keys signed stays valid"
                        .to_owned(),
                );
            }
        }
        if let Some(secret) = &given.admin_api_key
            && self.store.access_token(&hash_secret(secret)).await?.is_none()
        {
            self.add_admin_key(secret).await?;
            founded.warnings.push("ADMIN_API_KEY is new: it was added, and older ones stay valid".to_owned());
        }
        self.add_admin(given, founded).await
    }

    async fn add_admin(&self, given: &Given, founded: &mut Founded) -> Result<()> {
        let email = given.admin_email.as_deref().unwrap_or(FIRST_ADMIN).to_lowercase();
        let existing = self.store.account_by_email(&email).await?;
        match (existing, &given.admin_password) {
            (None, _) if given.admin_email.is_some() => {
                let admin = self.admin(given, founded)?;
                let change = account_creation(&admin, Id::NIL, SOURCE, self.clock.now());
                self.store.commit(change).await.map_err(unexpected)?;
                let warning =
                    format!("BURGEE_ADMIN_EMAIL is new: the admin {email} was added, and older ones stay");
                founded.warnings.push(warning);
            }
            (Some(Account { password_hash: Some(hash), .. }), Some(password))
                if !verify(password, &hash)? =>
            {
                let warning =
                    format!("BURGEE_ADMIN_PASSWORD is not the password of {email}, which stays as it is");
                founded.warnings.push(warning);
            }
            _ => {}
        }
        Ok(())
    }

    async fn add_admin_key(&self, secret: &str) -> Result<()> {
        let existing = self.store.account_by_email(SERVICE_ACCOUNT).await?;
        let service = existing.clone().unwrap_or_else(|| self.service_account());
        let token = self.access_token(service.id, secret);
        let entities = vec![
            Entity { kind: "access_token".to_owned(), id: token.id, key: SERVICE_ACCOUNT.to_owned() },
            Entity { kind: "account".to_owned(), id: service.id, key: service.email.clone() },
        ];
        let mut writes = Vec::new();
        if existing.is_none() {
            writes.push(Write::CreateAccount(service));
        }
        writes.push(Write::CreateAccessToken(token));
        self.commit(Chain::Instance, "create_access_token", entities, "{}".to_owned(), writes).await?;
        Ok(())
    }

    /// What a later start is newly told about applications' keys.
    async fn add_sdk_key(&self, default: &Environment, given: &Given, founded: &mut Founded) -> Result<()> {
        let Some(key) = &given.sdk_api_key else { return Ok(()) };
        let hash = hash_secret(key);
        let keys = self.store.sdk_keys(default.project_id).await?;
        match keys.iter().find(|known| known.hash == hash) {
            Some(known) if known.revoked_at.is_some() => {
                founded.warnings.push("SDK_API_KEY was revoked and stays so; give another".to_owned());
            }
            Some(_) => {}
            None => {
                let key = self.given_sdk_key(default, key);
                let change = sdk_key::creation(&key, DEFAULT_ENVIRONMENT, Id::NIL, SOURCE, self.clock.now());
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
        Account {
            id: self.ids.id(now),
            email,
            name,
            role: Role::Admin,
            password_hash,
            created_at: now,
            updated_at: now,
        }
    }

    fn access_token(&self, account_id: Id, secret: &str) -> AccessToken {
        let now = self.clock.now();
        AccessToken { id: self.ids.id(now), account_id, hash: hash_secret(secret), created_at: now }
    }

    fn signing_key(&self, given: Option<&str>) -> SigningKey {
        let now = self.clock.now();
        let secret = given.map_or_else(|| self.ids.secret().to_vec(), |given| given.as_bytes().to_vec());
        SigningKey { id: self.ids.id(now), secret, created_at: now }
    }

    fn made(&self, place: &Environment, kind: SdkKeyKind, founded: &mut Founded) -> sdk_key::SdkKey {
        let new = NewSdkKey { name: format!("first {} key", kind.name()), kind };
        let made = sdk_key::made(&*self.ids, new, place, Id::NIL, self.clock.now());
        founded.sdk_keys.push((kind, made.key));
        made.sdk_key
    }

    fn given_sdk_key(&self, place: &Environment, key: &str) -> sdk_key::SdkKey {
        let new = NewSdkKey { name: "SDK_API_KEY".to_owned(), kind: SdkKeyKind::Server };
        sdk_key::given(&*self.ids, new, key.to_owned(), place, Id::NIL, self.clock.now()).sdk_key
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
