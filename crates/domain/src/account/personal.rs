//! What people do with their own account: its name, its password, tokens for their scripts.

use engine::json::{At, Violations};
use serde_json::Value;

use super::access_token::Tokens;
use super::input::{read_name, read_new_password, read_password};
use super::{AccessToken, Account, AccountWrite, MadeToken};
use crate::access::Caller;
use crate::control::{Attempts, Control, Request, unexpected};
use crate::error::{Error, Result};
use crate::log::{Change, ReadVersion, Write};
use crate::secret::SecretKind;
use crate::security::SecurityKind;

impl Control {
    /// Changes the caller's own `{"name"}`.
    pub async fn update_own_account(
        &self,
        caller: &Caller,
        document: &Value,
        request: &Request,
    ) -> Result<Account> {
        caller.signed_in()?;
        let mut violations = Violations::default();
        let name = read_own(At::root(document), &mut violations);
        let name = violations.into_result(Some(name)).map_err(Error::Invalid)?;
        let mut attempts = Attempts::default();
        loop {
            let before = self.own_account(caller).await?;
            let after =
                Account { name: name.clone().unwrap_or_else(|| before.name.clone()), ..before.clone() };
            let change = self.update("update_own_account", &before, &after, before.id, request);
            let Some(change) = change else { return Ok(before) };
            let now = change.at;
            if let Some(version) = self.try_commit(change, &mut attempts).await? {
                return Ok(Account { version, updated_at: now, ..after });
            }
        }
    }

    /// Changes the caller's password from `{"old_password", "new_password"}`, and ends all their other sessions.
    pub async fn change_password(&self, caller: &Caller, document: &Value, request: &Request) -> Result<()> {
        let session = caller.signed_in()?;
        let mut violations = Violations::default();
        let said = read_passwords(At::root(document), &mut violations, self.settings.shortest_password);
        let (old, new) = violations.into_result(said).map_err(Error::Invalid)?;
        self.take_try(caller.email(), request)?;
        let account = self.own_account(caller).await?;
        if !self.verify_password(old, account.password_hash.clone()).await? {
            self.note_proof(
                SecurityKind::SignInFailed,
                Some(&account),
                caller.email(),
                "old password",
                request,
            );
            return Err(Error::invalid("old_password", "is not your password"));
        }
        self.throttle.succeeded(caller.email(), request.address, self.clock.now());
        let hash = self.hash_password(new).await?;
        let now = self.clock.now();
        let after = Account { password_hash: Some(hash), updated_at: now, ..account.clone() };
        let change = Change {
            entities: vec![account.entity()],
            // What was proved must still be so: of two who change it at once, one does.
            reads: vec![ReadVersion::Account { id: account.id, version: account.version }],
            writes: vec![
                Write::Account(AccountWrite::Update(after)),
                Write::Account(AccountWrite::EndSessions { account_id: account.id, except: Some(session) }),
            ],
            ..Change::of_instance("change_password", account.id, request, now)
        };
        self.commit(change).await.map_err(unexpected)?;
        Ok(())
    }

    /// The caller's own tokens, newest first.
    pub async fn list_own_tokens(&self, caller: &Caller) -> Result<Vec<AccessToken>> {
        Ok(self.store.access_tokens(caller.account_id()).await?)
    }

    /// Makes a token of the caller's own from `{"name", "scopes"?, "expires_at"?}`. Only who signed in may: a token
    /// that makes tokens would outlive its own end, and reach beyond its scopes.
    pub async fn create_own_token(
        &self,
        caller: &Caller,
        document: &Value,
        request: &Request,
    ) -> Result<MadeToken> {
        caller.signed_in()?;
        let mut attempts = Attempts::default();
        loop {
            let owner = self.own_account(caller).await?;
            let of = own(&owner, request);
            if let Some(made) = self.make_token(&of, document, &mut attempts).await? {
                return Ok(made);
            }
        }
    }

    /// Makes the next one of a token of the caller's own, from `{"overlap"?}`.
    pub async fn rotate_own_token(
        &self,
        caller: &Caller,
        id: &str,
        document: Option<&Value>,
        request: &Request,
    ) -> Result<MadeToken> {
        caller.signed_in()?;
        let mut attempts = Attempts::default();
        loop {
            let owner = self.own_account(caller).await?;
            let of = own(&owner, request);
            if let Some(made) = self.make_next_token(&of, id, document, &mut attempts).await? {
                return Ok(made);
            }
        }
    }

    /// Refuses a token of the caller's own from now on.
    pub async fn delete_own_token(&self, caller: &Caller, id: &str, request: &Request) -> Result<()> {
        caller.signed_in()?;
        let owner = self.own_account(caller).await?;
        self.remove_token(&own(&owner, request), id).await
    }
}

fn own<'a>(owner: &'a Account, request: &'a Request) -> Tokens<'a> {
    Tokens { owner, kind: SecretKind::PersonalToken, actor: owner.id, request }
}

/// The new name, if one is given. What else an account shows may be sent back, and is not taken.
fn read_own(at: At<'_>, violations: &mut Violations) -> Option<String> {
    let object = at.object(violations)?;
    let name = object.get("name").and_then(|at| read_name(at, violations));
    object.ignore(&["id", "email", "role", "active", "created_at", "updated_at"]);
    object.deny_unknown(violations);
    name
}

fn read_passwords(at: At<'_>, violations: &mut Violations, shortest: usize) -> Option<(String, String)> {
    let object = at.object(violations)?;
    let old = object.require(violations, "old_password").and_then(|at| read_password(at, violations));
    let new =
        object.require(violations, "new_password").and_then(|at| read_new_password(at, violations, shortest));
    object.deny_unknown(violations);
    Some((old?, new?))
}
