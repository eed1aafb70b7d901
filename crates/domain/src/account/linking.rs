//! Linking an account that is there to a provider by its e-mail: it becomes theirs, and nobody else's any more.

use serde_json::json;

use super::provider::{Person, ProviderRules, by_provider};
use super::{AccessToken, Account, AccountKind, AccountWrite, Identity};
use crate::control::{Control, Request};
use crate::error::{Error, Result};
use crate::log::{Change, ReadVersion, Write};

/// Why the last admin who has a password keeps it.
const LAST_ADMIN: &str = "linking an account to a provider takes its password away, and this one is of the last admin who \
                          has one; make another admin with a password first (burgee admin create)";

impl Control {
    /// The change that says of an account that it is theirs, and theirs alone: the password, the sessions, the access
    /// tokens, the reset link and the other identities that it had are whoever's had it before.
    pub(super) async fn linking(
        &self,
        rules: &ProviderRules,
        person: &Person,
        account: &Account,
        request: &Request,
    ) -> Result<Change> {
        if !(rules.link_by_email && person.is_verified && account.kind == AccountKind::Person) {
            return Err(Error::Conflict {
                code: "email_taken",
                message: format!(
                    "an account with your e-mail address is here already, and is not linked to this provider; an \
                     admin gives it another address, or allows oidc.providers.{}.link_by_email",
                    rules.key
                ),
            });
        }
        if !account.active {
            return Err(Error::Forbidden {
                code: "account_inactive",
                message: "your account here is not active; ask an admin".to_owned(),
            });
        }
        let (request, now) = (by_provider(rules, request), self.clock.now());
        let mut reads = vec![ReadVersion::Account { id: account.id, version: account.version }];
        if account.is_admin_in_force() {
            reads.push(self.admin_beside(account, LAST_ADMIN).await?);
        }
        let tokens = self.store.access_tokens(account.id).await?;
        self.tokens_end(&tokens);
        let revoked: Vec<_> =
            tokens.iter().map(|token| json!({ "id": token.id, "name": token.name })).collect();
        let others = self.store.identities(account.id).await?;
        let unlinked: Vec<_> = others.iter().map(Identity::for_log).collect();
        let before = json!({
            "password": account.password_hash.is_some(), "access_tokens": revoked, "identities": unlinked,
        });
        let after = json!({ "identity": { "issuer": rules.issuer }, "password": false, "access_tokens": [] });
        let alone = Account { password_hash: None, updated_at: now, ..account.clone() };
        let mut writes = vec![
            Write::Account(AccountWrite::Update(alone)),
            Write::Account(AccountWrite::EndSessions { account_id: account.id, except: None }),
            Write::Account(AccountWrite::DeleteAccessTokens { account_id: account.id }),
        ];
        writes
            .extend(others.iter().map(|other| Write::Account(AccountWrite::UnlinkIdentity { id: other.id })));
        Ok(Change {
            entities: std::iter::once(account.entity())
                .chain(tokens.iter().map(AccessToken::entity))
                .collect(),
            before: Some(before.to_string()),
            after: Some(after.to_string()),
            reads,
            writes,
            ..Change::of_instance("link_identity", account.id, &request, now)
        })
    }
}
