//! What a change writes about accounts and what they prove themselves with.

use domain::account::{AccessToken, Account, AccountWrite, Identity, ResetLink, SigningKey};
use domain::id::Id;
use domain::time::Timestamp;

use super::commit::Fault;
use super::rows::to_document;
use super::writes::{Query, Writes};

impl Writes<'_> {
    pub(super) async fn apply_account(&mut self, write: &AccountWrite) -> Result<(), Fault> {
        match write {
            AccountWrite::Create(account) => self.create_account(account).await,
            AccountWrite::Update(account) => self.update_account(account).await,
            AccountWrite::Delete { id } => self.delete_account(*id).await,
            AccountWrite::EndSessions { account_id, except } => self.end_sessions(*account_id, *except).await,
            AccountWrite::EndAllSessions => self.end_all_sessions().await,
            AccountWrite::LinkIdentity(identity) => self.link_identity(identity).await,
            AccountWrite::UnlinkIdentity { id } => {
                self.change(sqlx::query("DELETE FROM identities WHERE id = $1").bind(id.to_string())).await
            }
            AccountWrite::PutResetLink(link) => self.put_reset_link(link).await,
            AccountWrite::TakeResetLink { account_id, hash } => {
                let query = sqlx::query("DELETE FROM reset_links WHERE account_id = $1 AND hash = $2");
                self.change(query.bind(account_id.to_string()).bind(hash.clone())).await
            }
            AccountWrite::TakeSetupToken { hash } => {
                let query = sqlx::query(
                    "UPDATE instance SET setup_hash = NULL, setup_expires_at = NULL WHERE setup_hash = $1",
                );
                self.change(query.bind(hash.clone())).await
            }
            AccountWrite::CreateAccessToken(token) => self.create_access_token(token).await,
            AccountWrite::ReplaceAccessToken { id, at, by } => {
                let query = sqlx::query(
                    "UPDATE access_tokens SET expires_at = $2, replaced_by = $3
                     WHERE id = $1 AND replaced_by IS NULL",
                );
                self.change(query.bind(id.to_string()).bind(at.as_millis()).bind(by.to_string())).await
            }
            AccountWrite::DeleteAccessToken { id } => {
                self.change(sqlx::query("DELETE FROM access_tokens WHERE id = $1").bind(id.to_string())).await
            }
            AccountWrite::DeleteAccessTokens { account_id } => {
                let query = sqlx::query("DELETE FROM access_tokens WHERE account_id = $1");
                query.bind(account_id.to_string()).execute(&mut *self.connection).await?;
                Ok(())
            }
            AccountWrite::NoteGiven { fingerprint } => {
                let query = sqlx::query("INSERT INTO given (fingerprint) VALUES ($1) ON CONFLICT DO NOTHING");
                query.bind(fingerprint.clone()).execute(&mut *self.connection).await?;
                Ok(())
            }
            AccountWrite::CreateSigningKey(key) => self.create_signing_key(key).await,
            AccountWrite::RetireSigningKey { id, until } => {
                let query = sqlx::query(
                    "UPDATE signing_keys SET verifies_until = $2
                     WHERE id = $1 AND verifies_until IS NULL AND revoked_at IS NULL",
                );
                self.change(query.bind(id.to_string()).bind(until.as_millis())).await
            }
            AccountWrite::RevokeSigningKey { id, at, fingerprint } => {
                self.revoke_signing_key(*id, *at, fingerprint).await
            }
            AccountWrite::DeleteSigningKey { id } => {
                self.change(sqlx::query("DELETE FROM signing_keys WHERE id = $1").bind(id.to_string())).await
            }
        }
    }

    async fn create_account(&mut self, account: &Account) -> Result<(), Fault> {
        let query = sqlx::query(
            "INSERT INTO accounts (id, email, name, role, active, password_hash, version, updated_at, kind,
                                   created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        );
        let query = self.account(query, account);
        self.insert(query.bind(account.kind.name()).bind(account.created_at.as_millis()), "account").await
    }

    /// An e-mail that another account has is told before the database says it in its own words.
    async fn update_account(&mut self, account: &Account) -> Result<(), Fault> {
        let taken = sqlx::query("SELECT 1 FROM accounts WHERE email = $1 AND id <> $2");
        let taken = taken.bind(account.email.clone()).bind(account.id.to_string());
        if taken.fetch_optional(&mut *self.connection).await?.is_some() {
            return Err(Fault::Taken("account"));
        }
        let query = sqlx::query(
            "UPDATE accounts SET email = $2, name = $3, role = $4, active = $5, password_hash = $6,
                                 version = $7, updated_at = $8
             WHERE id = $1",
        );
        self.change(self.account(query, account)).await?;
        sqlx::query("DELETE FROM reset_links WHERE account_id = $1")
            .bind(account.id.to_string())
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    fn account(&self, query: Query, account: &Account) -> Query {
        query
            .bind(account.id.to_string())
            .bind(account.email.clone())
            .bind(account.name.clone())
            .bind(account.role.name())
            .bind(account.active)
            .bind(account.password_hash.clone())
            .bind(self.revision)
            .bind(account.updated_at.as_millis())
    }

    async fn delete_account(&mut self, id: Id) -> Result<(), Fault> {
        for query in [
            // First, so that a session which is opened just now is there to be removed, or is not opened.
            "UPDATE accounts SET active = FALSE WHERE id = $1",
            "DELETE FROM sessions WHERE account_id = $1",
            "DELETE FROM access_tokens WHERE account_id = $1",
            "DELETE FROM reset_links WHERE account_id = $1",
            "DELETE FROM identities WHERE account_id = $1",
        ] {
            sqlx::query(query).bind(id.to_string()).execute(&mut *self.connection).await?;
        }
        self.change(sqlx::query("DELETE FROM accounts WHERE id = $1").bind(id.to_string())).await
    }

    async fn end_sessions(&mut self, account_id: Id, except: Option<Id>) -> Result<(), Fault> {
        // No session has an empty id.
        let except = except.map(|id| id.to_string()).unwrap_or_default();
        sqlx::query("DELETE FROM sessions WHERE account_id = $1 AND id <> $2")
            .bind(account_id.to_string())
            .bind(except)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn end_all_sessions(&mut self) -> Result<(), Fault> {
        for query in [
            "DELETE FROM sessions",
            "DELETE FROM reset_links",
            "UPDATE instance SET setup_hash = NULL, setup_expires_at = NULL",
        ] {
            sqlx::query(query).execute(&mut *self.connection).await?;
        }
        Ok(())
    }

    async fn link_identity(&mut self, identity: &Identity) -> Result<(), Fault> {
        let query = sqlx::query(
            "INSERT INTO identities (id, issuer, subject, account_id, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING",
        )
        .bind(identity.id.to_string())
        .bind(identity.issuer.clone())
        .bind(identity.subject.clone())
        .bind(identity.account_id.to_string())
        .bind(identity.created_at.as_millis());
        self.insert(query, "identity").await
    }

    async fn put_reset_link(&mut self, link: &ResetLink) -> Result<(), Fault> {
        sqlx::query(
            "INSERT INTO reset_links (account_id, hash, expires_at, made_by, revoke_tokens)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (account_id)
             DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at, made_by = excluded.made_by,
                           revoke_tokens = excluded.revoke_tokens",
        )
        .bind(link.account_id.to_string())
        .bind(link.hash.clone())
        .bind(link.expires_at.as_millis())
        .bind(link.terms.made_by.to_string())
        .bind(link.terms.revoke_tokens)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    async fn create_access_token(&mut self, token: &AccessToken) -> Result<(), Fault> {
        let query = sqlx::query(
            "INSERT INTO access_tokens (id, account_id, name, hint, hash, scopes, created_at, expires_at,
                                        last_used_at, replaced_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        )
        .bind(token.id.to_string())
        .bind(token.account_id.to_string())
        .bind(token.name.clone())
        .bind(token.hint.clone())
        .bind(token.hash.clone())
        .bind(token.scopes.as_ref().map(to_document).transpose()?)
        .bind(token.created_at.as_millis())
        .bind(token.expires_at.map(Timestamp::as_millis))
        .bind(token.last_used_at.map(Timestamp::as_millis))
        .bind(token.replaced_by.map(|id| id.to_string()));
        self.insert(query, "access_token").await
    }

    async fn create_signing_key(&mut self, key: &SigningKey) -> Result<(), Fault> {
        let query = sqlx::query(
            "INSERT INTO signing_keys (id, secret, created_at, verifies_until, revoked_at, given, fingerprint)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(key.id.to_string())
        .bind(key.secret.clone())
        .bind(key.created_at.as_millis())
        .bind(key.verifies_until.map(Timestamp::as_millis))
        .bind(key.revoked_at.map(Timestamp::as_millis))
        .bind(key.given)
        .bind(key.fingerprint.clone());
        self.insert(query, "signing_key").await
    }

    async fn revoke_signing_key(&mut self, id: Id, at: Timestamp, fingerprint: &str) -> Result<(), Fault> {
        let query = sqlx::query(
            "UPDATE signing_keys SET secret = $2, revoked_at = $3, fingerprint = $4
             WHERE id = $1 AND revoked_at IS NULL",
        );
        let query = query.bind(id.to_string()).bind(Vec::<u8>::new()).bind(at.as_millis());
        self.change(query.bind(fingerprint.to_owned())).await
    }
}
