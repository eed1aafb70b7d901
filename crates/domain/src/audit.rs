//! The log: reading and exporting it, proving that nobody edited it, and taking out of it what must go.

mod entry;
mod expire;
mod export;
mod page;
mod redact;
mod verify;

use engine::json::Violations;
use engine::model::Revision;

use crate::access::{Caller, InProject, OnInstance, Permission, ReadInstanceLog, ReadLog};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::key::Key;
use crate::log::{Chain, Hash, LogEntry};
use crate::ports::{LogFilter, Page};
use crate::time::Timestamp;

pub use entry::{Actor, AuditEntry, EntryChange, TOKEN};
pub(crate) use entry::{REVERTS, document, redacted};
pub use expire::Retention;
pub use export::AuditExport;
pub use verify::{Verified, VerifiedSecurity, verify, verify_security};

/// The name of the program itself, where an actor is named.
const PROGRAM: &str = "burgee";

/// What people look for in the log. Things are named by their keys, living or deleted.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// A flag.
    pub flag: Option<&'a str>,
    /// A segment.
    pub segment: Option<&'a str>,
    /// A context field.
    pub context_field: Option<&'a str>,
    /// An environment.
    pub environment: Option<&'a str>,
    /// An account that something was done to: its id or e-mail.
    pub account: Option<&'a str>,
    /// A team that something was done to.
    pub team: Option<&'a str>,
    /// An account: its id or e-mail; `burgee` is the program itself.
    pub actor: Option<&'a str>,
    /// What was done, such as `toggle_flag`.
    pub action: Option<&'a str>,
    /// A time from which on.
    pub from: Option<&'a str>,
    /// A time before which.
    pub to: Option<&'a str>,
}

/// A page of the log.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Only revisions below this one.
    pub before: Option<Revision>,
    /// How many at most.
    pub limit: u32,
    /// See [`LogFilter::most_counted`].
    pub most_counted: u64,
}

impl Control {
    /// Entries of the project's log, newest first: those about all of what is named. What affected an environment is
    /// about it. Of two things that had a key one after the other, those about the later one.
    pub async fn audit(
        &self,
        reader: &InProject<ReadLog>,
        about: About<'_>,
        asked: Asked,
    ) -> Result<Page<AuditEntry>> {
        self.audit_of(Chain::Project(reader.project_id()), reader.caller(), about, asked).await
    }

    /// Entries of the instance's own log, newest first: accounts, teams, roles, what is granted on the instance, and
    /// that projects came and went. Of a project that was deleted, if its id is given: its own.
    pub async fn audit_instance(
        &self,
        permit: &OnInstance<ReadInstanceLog>,
        deleted_project: Option<&str>,
        about: About<'_>,
        asked: Asked,
    ) -> Result<Page<AuditEntry>> {
        let chain = self.instance_or_deleted(deleted_project).await?;
        self.audit_of(chain, permit, about, asked).await
    }

    /// The instance's chain, or that of a project that was deleted. One that is there is asked for its log itself, by
    /// who may read it.
    async fn instance_or_deleted(&self, project: Option<&str>) -> Result<Chain> {
        let Some(named) = project else { return Ok(Chain::Instance) };
        let none = || {
            let hint =
                "GET /api/v1/instance/audit?action=delete_project has the ids of those that were deleted";
            Error::not_found("deleted project", named, hint)
        };
        let id: Id = named.parse().map_err(|_| none())?;
        let chain = Chain::Project(id);
        let was_there = self.store.heads().await?.iter().any(|head| head.chain == chain);
        if !was_there || self.store.project_by_id(id).await?.is_some() {
            return Err(none());
        }
        Ok(chain)
    }

    /// One entry of the project's log.
    pub async fn audit_entry(&self, reader: &InProject<ReadLog>, revision: &str) -> Result<AuditEntry> {
        let entry = self.logged_change(Chain::Project(reader.project_id()), revision).await?;
        let page = self.show(Page { items: vec![entry], total: None, more: false }).await?;
        page.items.into_iter().next().ok_or_else(|| no_change(revision))
    }

    async fn audit_of(
        &self,
        chain: Chain,
        caller: &Caller,
        about: About<'_>,
        asked: Asked,
    ) -> Result<Page<AuditEntry>> {
        let filter = self.log_filter(chain, caller, about).await?;
        let Asked { before, limit, most_counted } = asked;
        let page = self.log_page(chain, LogFilter { before, limit, most_counted, ..filter }).await?;
        self.show(page).await
    }

    /// What is looked for, as the store knows it. Everything that does not read is told at once.
    async fn log_filter(&self, chain: Chain, caller: &Caller, about: About<'_>) -> Result<LogFilter> {
        let About { flag, segment, context_field, environment, account, team, actor, action, from, to } =
            about;
        let named = [
            ("flag", "flag", flag),
            ("segment", "segment", segment),
            ("context_field", "context field", context_field),
            ("account", "account", account),
            ("team", "team", team),
            // The last, for it has the most entries.
            ("environment", "environment", environment),
        ];
        let named = named.into_iter().filter_map(|(kind, what, key)| Some((kind, what, key?)));
        let mut violations = Violations::default();
        let said = named.clone().map(|(kind, _, key)| (kind, key));
        for (name, _) in said
            .chain(actor.map(|actor| ("actor", actor)))
            .chain(action.map(|action| ("action", action)))
            .filter(|(_, text)| text.trim().is_empty())
        {
            violations.add(format_args!("query {name}"), "is empty; give a key, or leave it out");
        }
        let since = read_time("from", from, &mut violations);
        let until = read_time("to", to, &mut violations);
        violations.into_result(Some(())).map_err(Error::Invalid)?;
        let mut filter = LogFilter { since, until, ..LogFilter::default() };
        for (kind, what, key) in named {
            let none = || Error::not_found(what, key, "the log knows none, living or deleted");
            filter.entities.push(self.logged(chain, kind, key).await?.ok_or_else(none)?);
        }
        if let Some(actor) = actor {
            filter.actor = Some(self.actor_in(chain, caller, actor).await?);
        }
        if let Some(action) = action {
            self.expect_action(chain, action).await?;
            filter.action = Some(action.to_owned());
        }
        Ok(filter)
    }

    /// What has a key, living or deleted: whatever has one was made, and that is in the log, or was until it expired.
    async fn logged(&self, chain: Chain, kind: &str, key: &str) -> Result<Option<Id>> {
        if kind == "account" {
            return self.logged_account(chain, key).await;
        }
        let (Some(key), project_id) = (Key::parse(key), chain.id()) else { return Ok(None) };
        let logged = self.store.logged_entity(project_id, kind, key.as_str()).await?;
        if logged.is_some() {
            return Ok(logged);
        }
        Ok(match kind {
            "flag" => self.store.flag(project_id, &key).await?.map(|found| found.flag.id),
            "segment" => self.store.segment(project_id, &key).await?.map(|found| found.segment.id),
            "context_field" => self.store.context_field(project_id, &key).await?.map(|found| found.id),
            "environment" => {
                let environments = self.store.environments(project_id).await?;
                environments.into_iter().find(|found| found.key == key).map(|found| found.id)
            }
            // What a log says nothing of, its readers need not know of.
            _ => None,
        })
    }

    /// The account that a log knows by this id, e-mail or name; whether there is one beside it is not told.
    async fn logged_account(&self, chain: Chain, named: &str) -> Result<Option<Id>> {
        let Ok(id) = named.parse::<Id>() else {
            return Ok(self.store.logged_entity(chain.id(), "account", &named.to_lowercase()).await?);
        };
        let about = LogFilter { entities: vec![id], limit: 1, ..LogFilter::default() };
        let is_known = !self.store.log(chain, &about).await?.items.is_empty();
        Ok(is_known.then_some(id))
    }

    /// Who an id or an e-mail names. Who may not see which accounts there are is told only of those that did something
    /// in the log.
    async fn actor_in(&self, chain: Chain, caller: &Caller, named: &str) -> Result<Id> {
        let actor = self.actor_named(named).await?;
        if actor == Id::NIL || caller.rights().on_instance(Permission::ReadPeople) {
            return Ok(actor);
        }
        let filter = LogFilter { actor: Some(actor), limit: 1, ..LogFilter::default() };
        if self.store.log(chain, &filter).await?.items.is_empty() {
            return Err(no_actor(named));
        }
        Ok(actor)
    }

    /// The account that an id or an e-mail names, living or deleted.
    pub(crate) async fn actor_named(&self, named: &str) -> Result<Id> {
        if named == PROGRAM {
            return Ok(Id::NIL);
        }
        let none = || no_actor(named);
        if let Ok(id) = named.parse::<Id>() {
            // The entry that made it knows it when it is gone.
            let made = LogFilter { entities: vec![id], limit: 1, ..LogFilter::default() };
            let known = self.store.account(id).await?.is_some()
                || !self.store.log(Chain::Instance, &made).await?.items.is_empty();
            return if known || id == Id::NIL { Ok(id) } else { Err(none()) };
        }
        let email = named.to_lowercase();
        if let Some(account) = self.store.account_by_email(&email).await? {
            return Ok(account.id);
        }
        self.store.logged_entity(Chain::Instance.id(), "account", &email).await?.ok_or_else(none)
    }

    /// An action that the log has never seen is a slip of the hand.
    async fn expect_action(&self, chain: Chain, action: &str) -> Result<()> {
        let filter = LogFilter { action: Some(action.to_owned()), limit: 1, ..LogFilter::default() };
        if self.store.log(chain, &filter).await?.items.is_empty() {
            return Err(Error::not_found("action", action, "nothing in this log was done by that name"));
        }
        Ok(())
    }

    /// The entry with this revision.
    pub(crate) async fn logged_change(&self, chain: Chain, revision: &str) -> Result<LogEntry> {
        let none = || no_change(revision);
        let number: Revision = revision.parse().map_err(|_| none())?;
        let before = number.checked_sub(1).ok_or_else(none)?;
        let entries = self.store.log_after(chain, before, 1).await?;
        entries.into_iter().find(|entry| entry.revision == number).ok_or_else(none)
    }

    async fn show(&self, page: Page<LogEntry>) -> Result<Page<AuditEntry>> {
        let mut actors: Vec<_> = page.items.iter().map(|entry| entry.actor).collect();
        actors.sort_unstable();
        actors.dedup();
        let names = self.store.account_names(&actors).await?;
        let items = page.items.into_iter().map(|entry| AuditEntry::of(entry, &names)).collect();
        Ok(Page { items, total: page.total, more: page.more })
    }
}

fn no_actor(named: &str) -> Error {
    let hint = "give the id or the e-mail of an account, or burgee for the program itself";
    Error::not_found("account", named, hint)
}

fn no_change(revision: &str) -> Error {
    Error::not_found(
        "change",
        revision,
        "GET /api/v1/audit lists them by revision; old ones may have expired",
    )
}

/// The time that a query parameter names.
pub(crate) fn read_time(name: &str, text: Option<&str>, violations: &mut Violations) -> Option<Timestamp> {
    let time = Timestamp::parse(text?);
    if time.is_none() {
        violations.add(format_args!("query {name}"), Timestamp::RULE);
    }
    time
}

/// A hash, in lower-case hex.
pub fn hex(hash: &Hash) -> String {
    hex::encode(hash)
}
