use async_trait::async_trait;
use domain::account::{AccessToken, Account, AccountKind, Identity, ResetLink, SigningKey, StoredSession};
use domain::id::Id;
use domain::ports::{AccountFilter, Accounts, Page, StoreResult};
use domain::time::Timestamp;
use engine::model::Revision;

use super::super::{SqlStore, accounts, bounded, sessions};

#[async_trait]
impl Accounts for SqlStore {
    async fn account(&self, id: Id) -> StoreResult<Option<Account>> {
        bounded(accounts::by_id(&self.reader, id)).await
    }

    async fn account_by_email(&self, email: &str) -> StoreResult<Option<Account>> {
        bounded(accounts::by_email(&self.reader, email)).await
    }

    async fn account_by_identity(&self, issuer: &str, subject: &str) -> StoreResult<Option<Account>> {
        bounded(accounts::by_identity(&self.reader, issuer, subject)).await
    }

    async fn identities(&self, account_id: Id) -> StoreResult<Vec<Identity>> {
        bounded(accounts::identities(&self.reader, account_id)).await
    }

    async fn accounts(&self, kind: AccountKind, filter: &AccountFilter) -> StoreResult<Page<Account>> {
        bounded(accounts::page(self, kind, filter)).await
    }

    async fn admins(&self, most: u32) -> StoreResult<Vec<Account>> {
        bounded(accounts::admins(&self.reader, most)).await
    }

    async fn account_names(&self, ids: &[Id]) -> StoreResult<Vec<(Id, String)>> {
        bounded(accounts::names(&self.reader, ids)).await
    }

    async fn access_token(&self, hash: &str) -> StoreResult<Option<(AccessToken, Account)>> {
        bounded(accounts::access_token(&self.reader, hash)).await
    }

    async fn access_tokens(&self, account_id: Id) -> StoreResult<Vec<AccessToken>> {
        bounded(accounts::access_tokens(&self.reader, account_id)).await
    }

    async fn was_given(&self, fingerprint: &str) -> StoreResult<bool> {
        bounded(accounts::was_given(&self.reader, fingerprint)).await
    }

    async fn note_tokens_used(&self, uses: &[(Id, Timestamp)]) -> StoreResult<()> {
        bounded(sessions::note_tokens_used(&self.writer, uses)).await
    }

    async fn open_session(&self, session: &StoredSession, version: Revision, most: u32) -> StoreResult<bool> {
        bounded(sessions::open(&self.writer, session, version, most)).await
    }

    async fn session(
        &self,
        key_id: Id,
        session_id: Id,
    ) -> StoreResult<Option<(SigningKey, StoredSession, Account)>> {
        bounded(sessions::proof(&self.reader, key_id, session_id)).await
    }

    async fn session_of_family(&self, family: &str) -> StoreResult<Option<(StoredSession, Account)>> {
        bounded(sessions::of_family(&self.reader, family)).await
    }

    async fn rotate_session(&self, id: Id, present: &str, next: &str) -> StoreResult<bool> {
        bounded(sessions::rotate(&self.writer, id, present, next)).await
    }

    async fn end_session(&self, id: Id) -> StoreResult<bool> {
        bounded(sessions::end(&self.writer, id)).await
    }

    async fn end_sessions(&self, account_id: Id) -> StoreResult<()> {
        bounded(sessions::end_all(&self.writer, account_id)).await
    }

    async fn reset_link(&self, hash: &str) -> StoreResult<Option<(ResetLink, Account)>> {
        bounded(sessions::reset_link(&self.reader, hash)).await
    }

    async fn setup_token(&self) -> StoreResult<Option<(String, Timestamp)>> {
        bounded(sessions::setup_token(&self.reader)).await
    }

    async fn put_setup_token(&self, hash: &str, expires_at: Timestamp) -> StoreResult<()> {
        bounded(sessions::put_setup_token(&self.writer, hash, expires_at)).await
    }

    async fn signing_keys(&self) -> StoreResult<Vec<SigningKey>> {
        bounded(accounts::signing_keys(&self.reader)).await
    }
}
