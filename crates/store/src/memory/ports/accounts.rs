use async_trait::async_trait;
use domain::account::{AccessToken, Account, AccountKind, Identity, ResetLink, SigningKey, StoredSession};
use domain::id::Id;
use domain::ports::{AccountFilter, Accounts, Page, StoreResult};
use domain::time::Timestamp;
use engine::model::Revision;

use super::super::{MemoryStore, page};

#[async_trait]
impl Accounts for MemoryStore {
    async fn account(&self, id: Id) -> StoreResult<Option<Account>> {
        Ok(self.state().tables.of_accounts.account(id))
    }

    async fn account_by_email(&self, email: &str) -> StoreResult<Option<Account>> {
        Ok(self.state().tables.of_accounts.by_email(email))
    }

    async fn account_by_identity(&self, issuer: &str, subject: &str) -> StoreResult<Option<Account>> {
        Ok(self.state().tables.of_accounts.by_identity(issuer, subject))
    }

    async fn identities(&self, account_id: Id) -> StoreResult<Vec<Identity>> {
        Ok(self.state().tables.of_accounts.identities(account_id))
    }

    async fn accounts(&self, kind: AccountKind, filter: &AccountFilter) -> StoreResult<Page<Account>> {
        let all = self.state().tables.of_accounts.list(kind, filter);
        let total = all.len();
        let after = |account: &Account| filter.after.as_ref().is_none_or(|after| account.email > *after);
        Ok(page(all.into_iter().filter(after).collect(), total, filter.limit))
    }

    async fn admins(&self, most: u32) -> StoreResult<Vec<Account>> {
        Ok(self.state().tables.of_accounts.admins(most))
    }

    async fn account_names(&self, ids: &[Id]) -> StoreResult<Vec<(Id, String)>> {
        let state = self.state();
        let accounts = ids.iter().filter_map(|id| state.tables.of_accounts.account(*id));
        Ok(accounts.map(|account| (account.id, account.email)).collect())
    }

    async fn access_token(&self, hash: &str) -> StoreResult<Option<(AccessToken, Account)>> {
        Ok(self.state().tables.of_accounts.access_token(hash))
    }

    async fn access_tokens(&self, account_id: Id) -> StoreResult<Vec<AccessToken>> {
        Ok(self.state().tables.of_accounts.access_tokens(account_id))
    }

    async fn was_given(&self, fingerprint: &str) -> StoreResult<bool> {
        Ok(self.state().tables.of_accounts.was_given(fingerprint))
    }

    async fn note_tokens_used(&self, uses: &[(Id, Timestamp)]) -> StoreResult<()> {
        self.state().tables.of_accounts.note_tokens_used(uses);
        Ok(())
    }

    async fn open_session(&self, session: &StoredSession, version: Revision, most: u32) -> StoreResult<bool> {
        Ok(self.state().tables.of_accounts.open_session(session, version, most))
    }

    async fn session(
        &self,
        key_id: Id,
        session_id: Id,
    ) -> StoreResult<Option<(SigningKey, StoredSession, Account)>> {
        Ok(self.state().tables.of_accounts.session(key_id, session_id))
    }

    async fn session_of_family(&self, family: &str) -> StoreResult<Option<(StoredSession, Account)>> {
        Ok(self.state().tables.of_accounts.session_of_family(family))
    }

    async fn rotate_session(&self, id: Id, present: &str, next: &str) -> StoreResult<bool> {
        Ok(self.state().tables.of_accounts.rotate_session(id, present, next))
    }

    async fn end_session(&self, id: Id) -> StoreResult<bool> {
        Ok(self.state().tables.of_accounts.end_session(id))
    }

    async fn end_sessions(&self, account_id: Id) -> StoreResult<()> {
        self.state().tables.of_accounts.end_sessions(account_id, None);
        Ok(())
    }

    async fn reset_link(&self, hash: &str) -> StoreResult<Option<(ResetLink, Account)>> {
        Ok(self.state().tables.of_accounts.reset_link(hash))
    }

    async fn setup_token(&self) -> StoreResult<Option<(String, Timestamp)>> {
        Ok(self.state().tables.of_accounts.setup_token.clone())
    }

    async fn put_setup_token(&self, hash: &str, expires_at: Timestamp) -> StoreResult<()> {
        self.state().tables.of_accounts.setup_token = Some((hash.to_owned(), expires_at));
        Ok(())
    }

    async fn signing_keys(&self) -> StoreResult<Vec<SigningKey>> {
        Ok(self.state().tables.of_accounts.signing_keys())
    }
}
