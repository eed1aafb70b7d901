//! Signing in with what a provider of identities says: who becomes which account, and what it may do.
//!
//! An account is known by issuer and subject. Its e-mail is worth less: whoever can have a provider write any e-mail
//! would become anyone. So an account that is there already is linked by its e-mail only where the operator says so,
//! and only if the provider says that it verified the address. Whoever registered the address before them may have been
//! somebody else, so nothing by which that one could come in stays.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::input::is_email;
use super::{Account, AccountKind, AccountWrite, Identity, Role, Session, creation};
use crate::control::{Attempts, Control, Request};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::log::{Change, ReadVersion, Write};
use crate::ports::CommitError;
use crate::security::{SecurityEvent, SecurityKind};
use crate::team::Membership;

/// Of the groups that a provider names no more are looked at.
const MOST_GROUPS: usize = 1_000;
/// The longest name that is taken over, in bytes; a longer one is left out.
const MOST_NAME: usize = 254;
/// How often an account is looked at anew because it was changed while its session was opened.
const MOST_LOOKS: u32 = 3;

/// What the word of a provider is worth here.
#[derive(Debug, Clone)]
pub struct ProviderRules {
    /// By what people and settings name it.
    pub key: String,
    /// By what it names itself, byte for byte.
    pub issuer: String,
    /// The claim that lists somebody's groups.
    pub groups_claim: String,
    /// The role that each group has here; the greatest counts. If there are none, a provider says nothing of roles:
    /// whom it brings gets the default role, and people change that as they like.
    pub roles: BTreeMap<String, Role>,
    /// The key of the team that each group is here.
    pub teams: BTreeMap<String, String>,
    /// The role of who is in none of these groups.
    pub default_role: Role,
    /// What an e-mail must end with after its `@`, in lower case; anything if there are none.
    pub allowed_domains: Vec<String>,
    /// Whether somebody with a verified e-mail becomes the account that has it already.
    pub link_by_email: bool,
    /// Whether the provider's e-mails count as verified though it does not say so. Nobody is linked by such a one.
    pub trust_email: bool,
}

/// Who somebody is, as far as a provider has proved it.
pub struct Proof {
    /// Who it is there.
    pub subject: String,
    /// All that it claims.
    pub claims: Map<String, Value>,
}

/// What is made of claims.
pub(super) struct Person {
    email: Option<String>,
    pub(super) is_verified: bool,
    name: String,
    groups: Vec<String>,
}

impl ProviderRules {
    /// Whether anything is made of groups.
    pub fn wants_groups(&self) -> bool {
        !self.roles.is_empty() || !self.teams.is_empty()
    }

    fn person(&self, claims: &Map<String, Value>) -> Person {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let name = text("name").filter(|name| name.len() <= MOST_NAME && !name.chars().any(char::is_control));
        let groups = match claims.get(&self.groups_claim) {
            Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).take(MOST_GROUPS).collect(),
            Some(Value::String(group)) => vec![group.as_str()],
            _ => Vec::new(),
        };
        Person {
            email: text("email").filter(|email| is_email(email)).map(str::to_lowercase),
            is_verified: claims.get("email_verified") == Some(&Value::Bool(true)),
            name: name.unwrap_or_default().to_owned(),
            groups: groups.into_iter().map(str::to_owned).collect(),
        }
    }

    fn role_of(&self, person: &Person) -> Role {
        let roles = person.groups.iter().filter_map(|group| self.roles.get(group).copied());
        roles.max().unwrap_or(self.default_role)
    }

    /// The e-mail of somebody who may come in, as far as that depends on it.
    fn check_email<'a>(&self, person: &'a Person) -> Result<&'a str> {
        let refused = |code, message: &str| Error::Forbidden { code, message: message.to_owned() };
        let email = person.email.as_deref().ok_or_else(|| {
            refused(
                "email_missing",
                "the provider told no e-mail address; an admin asks it for one (the scope email)",
            )
        })?;
        if !person.is_verified && !self.trust_email {
            return Err(refused(
                "email_not_verified",
                "the provider does not say that it verified your e-mail address; verify it there, and sign in again",
            ));
        }
        let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
        if !self.allowed_domains.is_empty() && !self.allowed_domains.iter().any(|allowed| allowed == domain) {
            return Err(refused(
                "domain_not_allowed",
                "e-mail addresses of this domain may not sign in here; ask an admin",
            ));
        }
        Ok(email)
    }
}

impl Control {
    /// Signs in who a provider says it is: as the account that they are known by, or one that is made for them. What
    /// groups give is given, and taken away, each time.
    pub async fn sign_in_by_provider(
        &self,
        rules: &ProviderRules,
        proof: &Proof,
        request: &Request,
    ) -> Result<Session> {
        let person = rules.person(&proof.claims);
        let session = self.let_in(rules, proof, &person, request).await;
        match &session {
            Ok(session) => {
                let account = Some((session.account.id, session.account.email.as_str()));
                self.note_by_provider(SecurityKind::SignedIn, rules, account, "", request);
            }
            Err(error) => self.note_refused_by_provider(rules, person.email.as_deref(), error, request),
        }
        session
    }

    /// Tells that somebody who came from a provider was not let in, and why; never with a secret.
    pub fn note_provider_failure(&self, rules: &ProviderRules, why: &str, request: &Request) {
        self.note_by_provider(SecurityKind::SignInFailed, rules, None, why, request);
    }

    fn note_refused_by_provider(
        &self,
        rules: &ProviderRules,
        email: Option<&str>,
        error: &Error,
        request: &Request,
    ) {
        let (Error::Forbidden { code, .. } | Error::Conflict { code, .. }) = error else { return };
        let account = email.map(|email| (Id::NIL, email));
        self.note_by_provider(SecurityKind::SignInFailed, rules, account, code, request);
    }

    fn note_by_provider(
        &self,
        kind: SecurityKind,
        rules: &ProviderRules,
        account: Option<(Id, &str)>,
        why: &str,
        request: &Request,
    ) {
        let (actor, subject) = account.unwrap_or((Id::NIL, ""));
        let key = &rules.key;
        self.note_security(SecurityEvent {
            at: self.clock.now(),
            kind,
            known: actor != Id::NIL,
            actor: (actor != Id::NIL).then_some(actor),
            address: request.address,
            subject: subject.to_owned(),
            detail: if why.is_empty() { format!("oidc {key}") } else { format!("oidc {key}: {why}") },
        });
    }

    async fn let_in(
        &self,
        rules: &ProviderRules,
        proof: &Proof,
        person: &Person,
        request: &Request,
    ) -> Result<Session> {
        if !rules.allowed_domains.is_empty() {
            rules.check_email(person)?;
        }
        for _ in 0..MOST_LOOKS {
            let account = self.account_of_proof(rules, proof, person, request).await?;
            if !account.active {
                return Err(Error::Forbidden {
                    code: "account_inactive",
                    message: "your account here is not active; ask an admin".to_owned(),
                });
            }
            let account = self.take_role(rules, person, account, request).await?;
            self.take_teams(rules, person, &account, request).await?;
            if let Some(session) = self.try_open_session(&account).await? {
                return Ok(session);
            }
        }
        Err(Error::busy())
    }

    /// The account by which they are known, linked or made if there is none yet.
    async fn account_of_proof(
        &self,
        rules: &ProviderRules,
        proof: &Proof,
        person: &Person,
        request: &Request,
    ) -> Result<Account> {
        let mut attempts = Attempts::default();
        loop {
            let known = self.store.account_by_identity(&rules.issuer, &proof.subject).await?;
            if let Some(account) = known {
                return Ok(account);
            }
            let email = rules.check_email(person)?;
            let named = self.store.account_by_email(email).await?;
            // One that was made in another window since then is known by both; who has the e-mail alone is another.
            if named.is_some()
                && let Some(account) = self.store.account_by_identity(&rules.issuer, &proof.subject).await?
            {
                return Ok(account);
            }
            let (mut change, account) = match named {
                Some(account) => (self.linking(rules, person, &account, request).await?, account),
                None => self.admission(rules, person, email, request),
            };
            change.writes.push(Write::Account(AccountWrite::LinkIdentity(Identity {
                id: self.ids.id(change.at),
                issuer: rules.issuer.clone(),
                subject: proof.subject.clone(),
                account_id: account.id,
                created_at: change.at,
            })));
            // Somebody was faster, perhaps they themselves in another window.
            let committed = match self.commit(change).await {
                Err(CommitError::Taken { what: "account" | "identity" }) => Err(CommitError::Stale),
                committed => committed,
            };
            if self.settle(committed, &mut attempts).await?.is_some() {
                let made = self.store.account(account.id).await?;
                return made.ok_or_else(Error::busy);
            }
        }
    }

    /// The change that makes an account for somebody new. It has no password.
    fn admission(
        &self,
        rules: &ProviderRules,
        person: &Person,
        email: &str,
        request: &Request,
    ) -> (Change, Account) {
        let now = self.clock.now();
        let account = Account {
            id: self.ids.id(now),
            kind: AccountKind::Person,
            email: email.to_owned(),
            name: person.name.clone(),
            role: rules.role_of(person),
            active: true,
            password_hash: None,
            version: 0,
            created_at: now,
            updated_at: now,
        };
        (creation(&account, account.id, &by_provider(rules, request), now), account)
    }

    /// The account with the role that their groups give. The last admin who can sign in with a password stays one.
    async fn take_role(
        &self,
        rules: &ProviderRules,
        person: &Person,
        account: Account,
        request: &Request,
    ) -> Result<Account> {
        if rules.roles.is_empty() {
            return Ok(account);
        }
        let (request, mut before) = (by_provider(rules, request), account);
        let mut attempts = Attempts::default();
        loop {
            let after = Account { role: rules.role_of(person), ..before.clone() };
            let Some(mut change) = self.update("set_role", &before, &after, Id::NIL, &request) else {
                return Ok(before);
            };
            if before.is_admin_in_force() && !after.is_admin_in_force() {
                let admins = self.store.admins(2).await?;
                let Some(other) = admins.into_iter().find(|other| other.id != before.id) else {
                    tracing::warn!(
                        account = %before.id,
                        provider = rules.key,
                        "the provider's groups make the last admin none; they stay one until there is another"
                    );
                    return Ok(before);
                };
                change.reads.push(ReadVersion::Account { id: other.id, version: other.version });
            }
            let now = change.at;
            if let Some(version) = self.try_commit(change, &mut attempts).await? {
                return Ok(Account { version, updated_at: now, ..after });
            }
            before = self.store.account(before.id).await?.ok_or_else(Error::busy)?;
        }
    }

    /// Lets them join the teams that their groups are, and leave those that other groups are.
    async fn take_teams(
        &self,
        rules: &ProviderRules,
        person: &Person,
        account: &Account,
        request: &Request,
    ) -> Result<()> {
        let request = by_provider(rules, request);
        let mut wanted = BTreeMap::new();
        for (group, team) in &rules.teams {
            *wanted.entry(team.as_str()).or_insert(false) |= person.groups.contains(group);
        }
        for (team, is_in) in wanted {
            let membership = if is_in { Membership::Joins } else { Membership::Leaves };
            match self.put_member(team, account, membership, &request).await {
                Err(Error::NotFound { .. }) => {
                    tracing::warn!(
                        team,
                        provider = rules.key,
                        "oidc: a group is to be a team that is not there"
                    );
                }
                Err(Error::Conflict { code, message }) if code != "busy" => {
                    tracing::warn!(team, provider = rules.key, message, "oidc: a team takes nobody");
                }
                put => put?,
            }
        }
        Ok(())
    }
}

/// Of the request by which somebody came, what a change that the provider causes says.
pub(super) fn by_provider(rules: &ProviderRules, request: &Request) -> Request {
    let comment = Some(format!("as the identity provider {} says", rules.key));
    Request { comment, if_match: None, ..request.clone() }
}
