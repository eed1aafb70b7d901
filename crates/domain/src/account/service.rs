//! Service accounts: programs that have a name and a role of their own, and tokens instead of a password.

use engine::json::{At, Violations};
use serde::Serialize;
use serde_json::Value;

use super::access_token::Tokens;
use super::input::{read_name, read_role};
use super::manage::Edit;
use super::{AccessToken, Account, AccountKind, MadeToken, Role, creation};
use crate::access::{ManageAccounts, OnInstance, own_role};
use crate::control::{Attempts, Control, Request};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::ports::{AccountFilter, Page};
use crate::secret::SecretKind;
use crate::time::Timestamp;

/// The longest name of a service account, in bytes.
const MOST_NAME: usize = 64;

/// A service account, as it is shown.
#[derive(Serialize)]
pub struct ServiceAccount {
    /// Its id.
    pub id: Id,
    /// Unique.
    pub name: String,
    /// What it is for, for people.
    pub description: String,
    /// What it may do.
    pub role: Role,
    /// Whether its tokens are taken.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl From<Account> for ServiceAccount {
    fn from(account: Account) -> Self {
        let Account { id, email, name, role, active, created_at, updated_at, .. } = account;
        Self { id, name: email, description: name, role, active, created_at, updated_at }
    }
}

impl Control {
    /// Makes a service account from `{"name", "description"?, "role"?}`: a member unless the role is named.
    pub async fn create_service_account(
        &self,
        permit: &OnInstance<ManageAccounts>,
        document: &Value,
        request: &Request,
    ) -> Result<ServiceAccount> {
        let mut violations = Violations::default();
        let edit = read(At::root(document), &mut violations, true);
        let edit = violations.into_result(edit).map_err(Error::Invalid)?;
        let role = edit.role.unwrap_or(Role::Member);
        permit.may_give(&own_role(role), None)?;
        let now = self.clock.now();
        let account = Account {
            id: self.ids.id(now),
            kind: AccountKind::Service,
            email: edit.email.unwrap_or_default(),
            name: edit.name.unwrap_or_default(),
            role,
            active: edit.active.unwrap_or(true),
            password_hash: None,
            version: 0,
            created_at: now,
            updated_at: now,
        };
        let mut change = creation(&account, permit.account_id(), request, now);
        change.action = "create_service_account";
        self.try_account(change, &mut Attempts::default()).await.map_err(name_taken)?;
        Ok(account.into())
    }

    /// Service accounts, by name.
    pub async fn list_service_accounts(
        &self,
        _permit: &OnInstance<ManageAccounts>,
        filter: &AccountFilter,
    ) -> Result<Page<ServiceAccount>> {
        let Page { items, total, more } = self.store.accounts(AccountKind::Service, filter).await?;
        Ok(Page { items: items.into_iter().map(ServiceAccount::from).collect(), total, more })
    }

    /// A service account.
    pub async fn get_service_account(
        &self,
        _permit: &OnInstance<ManageAccounts>,
        id: &str,
    ) -> Result<ServiceAccount> {
        self.account_of(AccountKind::Service, id).await.map(Into::into)
    }

    /// Changes `{"name"?, "description"?, "role"?, "active"?}` of a service account.
    pub async fn update_service_account(
        &self,
        permit: &OnInstance<ManageAccounts>,
        id: &str,
        document: &Value,
        request: &Request,
    ) -> Result<ServiceAccount> {
        let mut violations = Violations::default();
        let edit = read(At::root(document), &mut violations, false);
        let edit = violations.into_result(edit).map_err(Error::Invalid)?;
        let which = (AccountKind::Service, id);
        let edited = self.edit_account(permit, which, "update_service_account", &edit, request).await;
        edited.map(Into::into).map_err(name_taken)
    }

    /// Removes a service account and its tokens.
    pub async fn delete_service_account(
        &self,
        permit: &OnInstance<ManageAccounts>,
        id: &str,
        request: &Request,
    ) -> Result<()> {
        self.remove_account(permit, (AccountKind::Service, id), "delete_service_account", request).await
    }

    /// The tokens of a service account, newest first.
    pub async fn list_service_tokens(
        &self,
        _permit: &OnInstance<ManageAccounts>,
        id: &str,
    ) -> Result<Vec<AccessToken>> {
        let account = self.account_of(AccountKind::Service, id).await?;
        Ok(self.store.access_tokens(account.id).await?)
    }

    /// Makes a token of a service account from `{"name", "scopes"?, "expires_at"?}`.
    pub async fn create_service_token(
        &self,
        permit: &OnInstance<ManageAccounts>,
        id: &str,
        document: &Value,
        request: &Request,
    ) -> Result<MadeToken> {
        let mut attempts = Attempts::default();
        loop {
            let owner = self.account_of(AccountKind::Service, id).await?;
            self.may_have_a_hand_in(permit, &owner).await?;
            let of = of(&owner, permit, request);
            if let Some(made) = self.make_token(&of, document, &mut attempts).await? {
                return Ok(made);
            }
        }
    }

    /// Makes the next one of a token of a service account, from `{"overlap"?}`.
    pub async fn rotate_service_token(
        &self,
        permit: &OnInstance<ManageAccounts>,
        (id, token_id): (&str, &str),
        document: Option<&Value>,
        request: &Request,
    ) -> Result<MadeToken> {
        let mut attempts = Attempts::default();
        loop {
            let owner = self.account_of(AccountKind::Service, id).await?;
            self.may_have_a_hand_in(permit, &owner).await?;
            let of = of(&owner, permit, request);
            if let Some(made) = self.make_next_token(&of, token_id, document, &mut attempts).await? {
                return Ok(made);
            }
        }
    }

    /// Refuses a token of a service account from now on.
    pub async fn delete_service_token(
        &self,
        permit: &OnInstance<ManageAccounts>,
        (id, token_id): (&str, &str),
        request: &Request,
    ) -> Result<()> {
        let owner = self.account_of(AccountKind::Service, id).await?;
        self.may_have_a_hand_in(permit, &owner).await?;
        self.remove_token(&of(&owner, permit, request), token_id).await
    }
}

fn of<'a>(owner: &'a Account, permit: &OnInstance<ManageAccounts>, request: &'a Request) -> Tokens<'a> {
    Tokens { owner, kind: SecretKind::ServiceToken, actor: permit.account_id(), request }
}

/// A name is no e-mail, so no service account is taken for a person.
fn read(at: At<'_>, violations: &mut Violations, new: bool) -> Option<Edit> {
    let object = at.object(violations)?;
    if new && !object.has("name") {
        object.require(violations, "name");
    }
    let email = object.optional(violations, "name", |at, violations| {
        let name = at.text(violations)?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        if !(1..=MOST_NAME).contains(&name.len()) || !name.bytes().all(plain) {
            at.fault(
                violations,
                format_args!("must be 1 to {MOST_NAME} of a-z, 0-9, dot, hyphen, underscore"),
            );
        }
        Some(name.to_owned())
    });
    let name = object.optional(violations, "description", read_name);
    let role = object.optional(violations, "role", read_role);
    let active = object.optional(violations, "active", |at, violations| at.boolean(violations));
    object.ignore(&["id", "created_at", "updated_at"]);
    object.deny_unknown(violations);
    Some(Edit { email: email?, name: name?, role: role?, active: active? })
}

/// Of a service account, what is taken is its name.
fn name_taken(error: Error) -> Error {
    match error {
        Error::Conflict { code: "email_taken", .. } => Error::Conflict {
            code: "name_taken",
            message: "a service account with this name already exists; use another name".to_owned(),
        },
        error => error,
    }
}
