//! What admins do with the accounts of others.

use engine::json::{At, Violations};
use engine::model::Revision;
use serde::Serialize;
use serde_json::{Value, json};

use super::input::{ROLE_RULE, read_email, read_name, read_new_password, read_role};
use super::register::email_taken;
use super::reset::LinkTerms;
use super::{AccessToken, Account, AccountKind, AccountWrite, MadeLink, Role, creation};
use crate::access::{Caller, ManageAccounts, OnInstance, own_role};
use crate::control::{Attempts, Control, Request};
use crate::error::{Error, Result};
use crate::grant::{Holder, logged_grants};
use crate::id::Id;
use crate::log::{Change, ReadVersion, Write};
use crate::ports::{AccountFilter, CommitError, Page};

/// An account that was made for someone.
#[derive(Serialize)]
pub struct Invited {
    /// The account.
    #[serde(flatten)]
    pub account: Account,
    /// Where its owner chooses a password, unless they were given one.
    pub reset: Option<MadeLink>,
}

/// What an account is to be; what is not named stays.
#[derive(Default)]
pub(super) struct Edit {
    pub email: Option<String>,
    pub name: Option<String>,
    pub role: Option<Role>,
    pub active: Option<bool>,
}

impl Edit {
    fn applied(&self, account: &Account) -> Account {
        Account {
            email: self.email.clone().unwrap_or_else(|| account.email.clone()),
            name: self.name.clone().unwrap_or_else(|| account.name.clone()),
            role: self.role.unwrap_or(account.role),
            active: self.active.unwrap_or(account.active),
            ..account.clone()
        }
    }
}

impl Control {
    /// Makes an account from `{"email", "name"?, "role"?, "password"?}`: a member unless the role is named. Without a
    /// password its owner chooses one by a link.
    pub async fn create_account(
        &self,
        permit: &OnInstance<ManageAccounts>,
        document: &Value,
        request: &Request,
    ) -> Result<Invited> {
        let mut violations = Violations::default();
        let new = NewAccount::read(At::root(document), &mut violations, self.settings.shortest_password);
        let new = violations.into_result(new).map_err(Error::Invalid)?;
        permit.may_give(&own_role(new.role), None)?;
        self.invite(new, permit.account_id(), request).await
    }

    pub(super) async fn invite(&self, new: NewAccount, actor: Id, request: &Request) -> Result<Invited> {
        let password_hash = match new.password {
            Some(password) => Some(self.hash_password(password).await?),
            None => None,
        };
        let now = self.clock.now();
        let account = Account {
            id: self.ids.id(now),
            kind: AccountKind::Person,
            email: new.email,
            name: new.name,
            role: new.role,
            active: true,
            password_hash,
            version: 0,
            created_at: now,
            updated_at: now,
        };
        let mut change = creation(&account, actor, request, now);
        let mut reset = None;
        if account.password_hash.is_none() {
            let (made, write) =
                self.link(account.id, LinkTerms { made_by: actor, revoke_tokens: false }, now);
            change.writes.push(write);
            reset = Some(made);
        }
        let version = self.commit(change).await.map_err(email_taken)?;
        Ok(Invited { account: Account { version, ..account }, reset })
    }

    /// Accounts of people, by e-mail.
    pub async fn list_accounts(
        &self,
        _permit: &OnInstance<ManageAccounts>,
        filter: &AccountFilter,
    ) -> Result<Page<Account>> {
        Ok(self.store.accounts(AccountKind::Person, filter).await?)
    }

    /// The account of a person.
    pub async fn get_account(&self, _permit: &OnInstance<ManageAccounts>, id: &str) -> Result<Account> {
        self.account_of(AccountKind::Person, id).await
    }

    /// Changes `{"email"?, "name"?, "role"?, "active"?}` of the account of a person. One that is no longer active is
    /// signed out everywhere.
    pub async fn update_account(
        &self,
        permit: &OnInstance<ManageAccounts>,
        id: &str,
        document: &Value,
        request: &Request,
    ) -> Result<Account> {
        let mut violations = Violations::default();
        let edit = read_edit(At::root(document), &mut violations);
        let edit = violations.into_result(edit).map_err(Error::Invalid)?;
        self.edit_account(permit, (AccountKind::Person, id), "update_account", &edit, request).await
    }

    /// Gives a person a role: by the query's name, or `{"role"}`.
    pub async fn set_role(
        &self,
        permit: &OnInstance<ManageAccounts>,
        id: &str,
        named: Option<&str>,
        document: Option<&Value>,
        request: &Request,
    ) -> Result<Account> {
        let role = role_meant(named, document)?;
        let edit = Edit { role: Some(role), ..Edit::default() };
        self.edit_account(permit, (AccountKind::Person, id), "set_role", &edit, request).await
    }

    /// Removes the account of a person, with its sessions and tokens. What the log says of it stays.
    pub async fn delete_account(
        &self,
        permit: &OnInstance<ManageAccounts>,
        id: &str,
        request: &Request,
    ) -> Result<()> {
        self.remove_account(permit, (AccountKind::Person, id), "delete_account", request).await
    }

    pub(super) async fn edit_account(
        &self,
        permit: &Caller,
        (kind, id): (AccountKind, &str),
        action: &'static str,
        edit: &Edit,
        request: &Request,
    ) -> Result<Account> {
        let mut attempts = Attempts::default();
        loop {
            let before = self.account_of(kind, id).await?;
            request.check(&before.etag())?;
            let after = edit.applied(&before);
            self.may_have_a_hand_in(permit, &before).await?;
            permit.may_give(&own_role(after.role), None)?;
            let actor = permit.account_id();
            let Some(mut change) = self.update(action, &before, &after, actor, request) else {
                return Ok(before);
            };
            if before.is_admin_in_force() && !after.is_admin_in_force() {
                change.reads.push(self.another_admin(permit, &before).await?);
            }
            if before.active && !after.active {
                let ended = AccountWrite::EndSessions { account_id: before.id, except: None };
                change.writes.push(Write::Account(ended));
            }
            let now = change.at;
            if let Some(version) = self.try_account(change, &mut attempts).await? {
                return Ok(Account { version, updated_at: now, ..after });
            }
        }
    }

    pub(super) async fn remove_account(
        &self,
        permit: &Caller,
        (kind, id): (AccountKind, &str),
        action: &'static str,
        request: &Request,
    ) -> Result<()> {
        let mut attempts = Attempts::default();
        loop {
            let account = self.account_of(kind, id).await?;
            self.may_have_a_hand_in(permit, &account).await?;
            let mut reads = vec![ReadVersion::Account { id: account.id, version: account.version }];
            if account.is_admin_in_force() {
                reads.push(self.another_admin(permit, &account).await?);
            }
            let change = Change {
                entities: vec![account.entity()],
                before: Some(self.all_of_account(&account).await?.to_string()),
                reads,
                writes: vec![Write::Account(AccountWrite::Delete { id: account.id })],
                ..Change::of_instance(action, permit.account_id(), request, self.clock.now())
            };
            if self.try_commit(change, &mut attempts).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// All that goes with an account, for the log. What is given to it while it goes has an entry of its own.
    async fn all_of_account(&self, account: &Account) -> Result<Value> {
        let mut all = document(account);
        let teams = self.store.teams_of(account.id).await?;
        all["teams"] = teams.iter().map(|team| json!({ "id": team.id, "key": team.key })).collect();
        let tokens = self.store.access_tokens(account.id).await?;
        self.tokens_end(&tokens);
        let token = |token: &AccessToken| json!({ "id": token.id, "name": token.name, "hint": token.hint });
        all["access_tokens"] = tokens.iter().map(token).collect();
        logged_grants(&mut all, &self.store.grants_of(Holder::Account(account.id)).await?);
        Ok(all)
    }

    /// Whoever decides over an account could become it, so it may do nothing that they may not.
    pub(super) async fn may_have_a_hand_in(&self, caller: &Caller, account: &Account) -> Result<()> {
        caller.may_give(&own_role(account.role), None)?;
        for (gift, environment) in self.gifts_of(Holder::Account(account.id)).await? {
            caller.may_give(&gift, environment.as_ref())?;
        }
        Ok(())
    }

    /// An admin who stays, of whom the change that takes this one away must know: so of two who take away each other,
    /// one finds that the other is gone.
    async fn another_admin(&self, permit: &Caller, goes: &Account) -> Result<ReadVersion> {
        if permit.account_id() == goes.id {
            return Err(Error::invalid("", "Cannot remove your own admin role"));
        }
        self.admin_beside(goes, "this is the last admin who can sign in; make another one first").await
    }

    /// The same, whoever asks; `why` is what is said if there is no other.
    pub(super) async fn admin_beside(&self, goes: &Account, why: &str) -> Result<ReadVersion> {
        let admins = self.store.admins(2).await?;
        let other = admins.into_iter().find(|other| other.id != goes.id);
        let other = other.ok_or_else(|| Error::Conflict { code: "last_admin", message: why.to_owned() })?;
        Ok(ReadVersion::Account { id: other.id, version: other.version })
    }

    /// The change from one state of an account to the next; `None` if they are the same.
    pub(super) fn update(
        &self,
        action: &'static str,
        before: &Account,
        after: &Account,
        actor: Id,
        request: &Request,
    ) -> Option<Change> {
        if before == after {
            return None;
        }
        let now = self.clock.now();
        let next = Account { updated_at: now, ..after.clone() };
        Some(Change {
            entities: vec![after.entity()],
            before: Some(for_log(before)),
            after: Some(for_log(after)),
            reads: vec![ReadVersion::Account { id: before.id, version: before.version }],
            writes: vec![Write::Account(AccountWrite::Update(next))],
            ..Change::of_instance(action, actor, request, now)
        })
    }

    /// Commits a change that may give an account another e-mail; `None` if it must be decided anew.
    pub(super) async fn try_account(
        &self,
        change: Change,
        attempts: &mut Attempts,
    ) -> Result<Option<Revision>> {
        match self.commit(change).await {
            Err(error @ CommitError::Taken { .. }) => Err(email_taken(error)),
            committed => self.settle(committed, attempts).await,
        }
    }

    /// The account of this kind with this id.
    pub(super) async fn account_of(&self, kind: AccountKind, id: &str) -> Result<Account> {
        let no_account = || match kind {
            AccountKind::Person => Error::not_found("user", id, "GET /auth/users lists their ids"),
            AccountKind::Service => {
                Error::not_found("service account", id, "GET /api/v1/service-accounts lists their ids")
            }
        };
        let parsed: Id = id.parse().map_err(|_| no_account())?;
        let account = self.store.account(parsed).await?.filter(|account| account.kind == kind);
        account.ok_or_else(no_account)
    }
}

/// What a new account is to be.
pub(super) struct NewAccount {
    pub email: String,
    pub name: String,
    pub role: Role,
    pub password: Option<String>,
}

impl NewAccount {
    fn read(at: At<'_>, violations: &mut Violations, shortest_password: usize) -> Option<Self> {
        let object = at.object(violations)?;
        let email = object.require(violations, "email").and_then(|at| read_email(at, violations));
        let name = object.optional(violations, "name", read_name);
        let role = object.optional(violations, "role", read_role);
        let password = object.optional(violations, "password", |at, violations| {
            read_new_password(at, violations, shortest_password)
        });
        object.deny_unknown(violations);
        let role = role?.unwrap_or(Role::Member);
        Some(Self { email: email?, name: name?.unwrap_or_default(), role, password: password? })
    }
}

fn read_edit(at: At<'_>, violations: &mut Violations) -> Option<Edit> {
    let object = at.object(violations)?;
    let email = object.optional(violations, "email", read_email);
    let name = object.optional(violations, "name", read_name);
    let role = object.optional(violations, "role", read_role);
    let active = object.optional(violations, "active", |at, violations| at.boolean(violations));
    object.ignore(&["id", "created_at", "updated_at"]);
    object.deny_unknown(violations);
    Some(Edit { email: email?, name: name?, role: role?, active: active? })
}

fn role_meant(named: Option<&str>, document: Option<&Value>) -> Result<Role> {
    let mut violations = Violations::default();
    let by_query = named.map(|name| {
        let role = Role::parse(name);
        if role.is_none() {
            violations.add("query new_role", ROLE_RULE);
        }
        role
    });
    let by_document = document.map(|document| {
        let object = At::root(document).object(&mut violations)?;
        let role = object.require(&mut violations, "role").and_then(|at| read_role(at, &mut violations));
        object.deny_unknown(&mut violations);
        role
    });
    let role = match (by_query, by_document) {
        (None, None) => {
            violations.add("role", "is required: as a member of the body, or by the query's new_role");
            None
        }
        (Some(one), None) | (None, Some(one)) => one,
        (Some(one), Some(other)) => {
            if one != other {
                violations.add("query new_role", "is another role than the body's; which of them is meant?");
            }
            one
        }
    };
    violations.into_result(role).map_err(Error::Invalid)
}

/// What the log says of an account.
pub(crate) fn for_log(account: &Account) -> String {
    document(account).to_string()
}

/// The same, not yet a text.
pub(super) fn document(account: &Account) -> Value {
    let Account { email, name, role, active, .. } = account;
    json!({ "email": email, "name": name, "role": role, "active": active })
}
