//! Accounts and what they prove themselves with.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::access::Proof;
use domain::account::{
    AccessToken, Account, AccountKind, AccountWrite, Identity, ResetLink, SigningKey, StoredSession,
};
use domain::id::Id;
use domain::ports::{AccountFilter, CommitError};
use domain::time::Timestamp;
use engine::model::Revision;

use super::tables::{Applied, dangling, free};

#[derive(Clone, Default)]
pub(super) struct AccountTables {
    accounts: BTreeMap<Id, Arc<Account>>,
    access_tokens: BTreeMap<Id, Arc<AccessToken>>,
    sessions: BTreeMap<Id, Arc<StoredSession>>,
    reset_links: BTreeMap<Id, ResetLink>,
    signing_keys: BTreeMap<Id, SigningKey>,
    /// By issuer and subject.
    identities: BTreeMap<(String, String), Identity>,
    given: BTreeSet<String>,
    pub(super) setup_token: Option<(String, Timestamp)>,
}

impl AccountTables {
    pub(super) fn apply(&mut self, write: &AccountWrite, revision: Revision) -> Applied {
        match write {
            AccountWrite::Create(account) => {
                self.free_email(account)?;
                free(!self.accounts.contains_key(&account.id), "account")?;
                self.put(account, revision);
            }
            AccountWrite::Update(account) => {
                self.free_email(account)?;
                let known = self.accounts.get(&account.id).ok_or(CommitError::Stale)?;
                let Account { kind, created_at, .. } = **known;
                self.put(&Account { kind, created_at, ..account.clone() }, revision);
                self.reset_links.remove(&account.id);
            }
            AccountWrite::Delete { id } => {
                self.accounts.remove(id).ok_or(CommitError::Stale)?;
                self.sessions.retain(|_, session| session.account_id != *id);
                self.access_tokens.retain(|_, token| token.account_id != *id);
                self.reset_links.remove(id);
                self.identities.retain(|_, identity| identity.account_id != *id);
            }
            AccountWrite::EndSessions { account_id, except } => self.end_sessions(*account_id, *except),
            AccountWrite::EndAllSessions => {
                self.sessions.clear();
                self.reset_links.clear();
                self.setup_token = None;
            }
            AccountWrite::LinkIdentity(identity) => self.link_identity(identity)?,
            AccountWrite::UnlinkIdentity { id } => {
                let known = self.identities.len();
                self.identities.retain(|_, identity| identity.id != *id);
                if self.identities.len() == known {
                    return Err(CommitError::Stale);
                }
            }
            AccountWrite::PutResetLink(link) => {
                self.accounts.get(&link.account_id).ok_or_else(|| dangling("account"))?;
                self.reset_links.insert(link.account_id, link.clone());
            }
            AccountWrite::TakeResetLink { account_id, hash } => {
                let link = self.reset_links.get(account_id).filter(|link| link.hash == *hash);
                link.ok_or(CommitError::Stale)?;
                self.reset_links.remove(account_id);
            }
            AccountWrite::TakeSetupToken { hash } => {
                self.setup_token.take().filter(|(kept, _)| kept == hash).ok_or(CommitError::Stale)?;
            }
            AccountWrite::CreateAccessToken(token) => self.create_access_token(token)?,
            AccountWrite::ReplaceAccessToken { id, at, by } => {
                let token = self.access_tokens.get_mut(id).filter(|token| token.replaced_by.is_none());
                let token = Arc::make_mut(token.ok_or(CommitError::Stale)?);
                (token.expires_at, token.replaced_by) = (Some(*at), Some(*by));
            }
            AccountWrite::DeleteAccessToken { id } => {
                self.access_tokens.remove(id).ok_or(CommitError::Stale)?;
            }
            AccountWrite::DeleteAccessTokens { account_id } => {
                self.access_tokens.retain(|_, token| token.account_id != *account_id);
            }
            AccountWrite::NoteGiven { fingerprint } => {
                self.given.insert(fingerprint.clone());
            }
            AccountWrite::CreateSigningKey(key) => {
                free(!self.signing_keys.contains_key(&key.id), "signing_key")?;
                self.signing_keys.insert(key.id, key.clone());
            }
            AccountWrite::RetireSigningKey { id, until } => {
                let signs = |key: &&mut SigningKey| key.verifies_until.is_none() && key.revoked_at.is_none();
                let key = self.signing_keys.get_mut(id).filter(signs).ok_or(CommitError::Stale)?;
                key.verifies_until = Some(*until);
            }
            AccountWrite::RevokeSigningKey { id, at, fingerprint } => {
                let key = self.signing_keys.get_mut(id).filter(|key| key.revoked_at.is_none());
                let key = key.ok_or(CommitError::Stale)?;
                (key.revoked_at, key.fingerprint) = (Some(*at), Some(fingerprint.clone()));
                key.secret.clear();
            }
            AccountWrite::DeleteSigningKey { id } => {
                self.signing_keys.remove(id).ok_or(CommitError::Stale)?;
            }
        }
        Ok(())
    }

    fn free_email(&self, account: &Account) -> Applied {
        let taken =
            self.accounts.values().any(|other| other.email == account.email && other.id != account.id);
        free(!taken, "account")
    }

    fn put(&mut self, account: &Account, revision: Revision) {
        self.accounts.insert(account.id, Arc::new(Account { version: revision, ..account.clone() }));
    }

    fn create_access_token(&mut self, token: &AccessToken) -> Applied {
        let taken = self.access_tokens.values().any(|other| other.hash == token.hash || other.id == token.id);
        free(!taken, "access_token")?;
        self.accounts.get(&token.account_id).ok_or_else(|| dangling("account"))?;
        self.access_tokens.insert(token.id, Arc::new(token.clone()));
        Ok(())
    }

    fn link_identity(&mut self, identity: &Identity) -> Applied {
        let place = (identity.issuer.clone(), identity.subject.clone());
        let is_new = self.identities.values().all(|known| known.id != identity.id);
        free(is_new && !self.identities.contains_key(&place), "identity")?;
        self.accounts.get(&identity.account_id).ok_or_else(|| dangling("account"))?;
        self.identities.insert(place, identity.clone());
        Ok(())
    }

    /// Whether the account is there, at this version.
    pub(super) fn has(&self, id: Id, version: Revision) -> bool {
        self.accounts.get(&id).is_some_and(|account| account.version == version)
    }

    pub(super) fn account(&self, id: Id) -> Option<Account> {
        self.accounts.get(&id).map(|account| Account::clone(account))
    }

    pub(super) fn by_email(&self, email: &str) -> Option<Account> {
        let account = self.accounts.values().find(|account| account.email == email);
        account.map(|account| Account::clone(account))
    }

    pub(super) fn by_identity(&self, issuer: &str, subject: &str) -> Option<Account> {
        let identity = self.identities.get(&(issuer.to_owned(), subject.to_owned()))?;
        self.account(identity.account_id)
    }

    /// Oldest first.
    pub(super) fn identities(&self, account_id: Id) -> Vec<Identity> {
        let own = self.identities.values().filter(|identity| identity.account_id == account_id);
        let mut own: Vec<_> = own.cloned().collect();
        own.sort_by_key(|identity| (identity.created_at, identity.id));
        own
    }

    /// Those of a kind with what is searched for, by e-mail.
    pub(super) fn list(&self, kind: AccountKind, filter: &AccountFilter) -> Vec<Account> {
        let part = filter.search.as_deref().unwrap_or_default().to_ascii_lowercase();
        let found = |account: &&Arc<Account>| {
            let mut texts = [&account.email, &account.name].into_iter();
            account.kind == kind && texts.any(|text| text.to_ascii_lowercase().contains(&part))
        };
        let found = self.accounts.values().filter(found);
        let mut all: Vec<_> = found.map(|account| Account::clone(account)).collect();
        all.sort_by(|left, right| left.email.cmp(&right.email));
        all
    }

    pub(super) fn admins(&self, most: u32) -> Vec<Account> {
        let admins = self.accounts.values().filter(|account| account.is_admin_in_force());
        let mut admins: Vec<_> = admins.map(|account| Account::clone(account)).collect();
        admins.sort_by_key(|account| (account.created_at, account.id));
        admins.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        admins
    }

    pub(super) fn access_token(&self, hash: &str) -> Option<(AccessToken, Account)> {
        let token = self.access_tokens.values().find(|token| token.hash == hash)?;
        Some((AccessToken::clone(token), self.account(token.account_id)?))
    }

    /// Newest first.
    pub(super) fn proves(&self, proof: Proof) -> bool {
        match proof {
            Proof::Session(id) => self.sessions.contains_key(&id),
            Proof::AccessToken(id) => self.access_tokens.contains_key(&id),
        }
    }

    pub(super) fn access_tokens(&self, account_id: Id) -> Vec<AccessToken> {
        let own = self.access_tokens.values().filter(|token| token.account_id == account_id);
        let mut own: Vec<_> = own.map(|token| AccessToken::clone(token)).collect();
        own.sort_by_key(|token| Reverse((token.created_at, token.id)));
        own
    }

    pub(super) fn was_given(&self, fingerprint: &str) -> bool {
        self.given.contains(fingerprint)
    }

    pub(super) fn note_tokens_used(&mut self, uses: &[(Id, Timestamp)]) {
        for (id, at) in uses {
            let token = self.access_tokens.get_mut(id);
            if let Some(token) = token.filter(|token| token.last_used_at.is_none_or(|last| last < *at)) {
                Arc::make_mut(token).last_used_at = Some(*at);
            }
        }
    }

    pub(super) fn open_session(&mut self, session: &StoredSession, version: Revision, most: u32) -> bool {
        if !self.has(session.account_id, version) {
            return false;
        }
        self.sessions.retain(|_, other| other.expires_at > session.created_at);
        self.sessions.insert(session.id, Arc::new(session.clone()));
        let own = self.sessions.values().filter(|other| other.account_id == session.account_id);
        let mut own: Vec<_> = own.map(|other| (other.created_at, other.id)).collect();
        own.sort_unstable_by_key(|place| Reverse(*place));
        for (_, id) in own.into_iter().skip(usize::try_from(most).unwrap_or(usize::MAX)) {
            self.sessions.remove(&id);
        }
        true
    }

    pub(super) fn session(&self, key_id: Id, session_id: Id) -> Option<(SigningKey, StoredSession, Account)> {
        let session = self.sessions.get(&session_id)?;
        let key = self.signing_keys.get(&key_id)?;
        Some((key.clone(), StoredSession::clone(session), self.account(session.account_id)?))
    }

    pub(super) fn session_of_family(&self, family: &str) -> Option<(StoredSession, Account)> {
        let session = self.sessions.values().find(|session| session.family == family)?;
        Some((StoredSession::clone(session), self.account(session.account_id)?))
    }

    pub(super) fn rotate_session(&mut self, id: Id, present: &str, next: &str) -> bool {
        let session = self.sessions.get_mut(&id).filter(|session| session.refresh_hash == present);
        session.map(|session| next.clone_into(&mut Arc::make_mut(session).refresh_hash)).is_some()
    }

    pub(super) fn end_session(&mut self, id: Id) -> bool {
        self.sessions.remove(&id).is_some()
    }

    pub(super) fn end_sessions(&mut self, account_id: Id, except: Option<Id>) {
        self.sessions.retain(|id, session| session.account_id != account_id || Some(*id) == except);
    }

    pub(super) fn reset_link(&self, hash: &str) -> Option<(ResetLink, Account)> {
        let link = self.reset_links.values().find(|link| link.hash == hash)?;
        Some((link.clone(), self.account(link.account_id)?))
    }

    /// Oldest first.
    pub(super) fn signing_keys(&self) -> Vec<SigningKey> {
        let mut keys: Vec<_> = self.signing_keys.values().cloned().collect();
        keys.sort_by_key(|key| (key.created_at, key.id));
        keys
    }
}
