//! People and programs that may sign in, and what they may do.

mod access_token;
mod authenticate;
mod id_token;
mod identities;
mod identity;
mod input;
mod jwt;
mod last_used;
mod linking;
mod manage;
mod operate;
mod password;
mod personal;
mod provider;
mod register;
mod reset;
mod service;
mod session;
mod setup;
mod sign_in;
mod signing_key;
mod throttle;
mod undo;

use engine::model::Revision;
use serde::{Serialize, Serializer};

use crate::id::Id;
use crate::log::Entity;
use crate::time::Timestamp;

pub use access_token::{AccessToken, MadeToken};
pub use id_token::{IdToken, IdTokenFault, ProviderKeys};
pub use identity::Identity;
pub(crate) use input::{is_email, is_password, password_rule};
pub(crate) use last_used::LastUsed;
pub use manage::Invited;
pub(crate) use manage::for_log;
pub use operate::Promotion;
pub(crate) use password::{hash_password, hashing, verify};
pub use provider::{Proof, ProviderRules};
pub(crate) use register::creation;
pub use reset::{LinkTerms, MadeLink, ResetLink};
pub use service::ServiceAccount;
pub use session::{Session, StoredSession};
pub use signing_key::SigningKey;
pub(crate) use signing_key::{fingerprint, signer};
pub(crate) use throttle::Throttle;

/// What an account may do. Each may do all that the one before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Signs in; whatever else it may do is granted to it.
    Member,
    /// Reads.
    Viewer,
    /// Changes everything but protected environments, and deletes nothing.
    Developer,
    /// Everything.
    Admin,
}

impl Role {
    /// Its name in tokens, contexts and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Admin => "admin",
        }
    }

    /// Reads a name; `user` is another word for `viewer`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "member" => Some(Self::Member),
            "viewer" | "user" => Some(Self::Viewer),
            "developer" => Some(Self::Developer),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What kind of account it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    /// Signs in with a password.
    Person,
    /// A program, which has tokens and cannot sign in.
    Service,
}

impl AccountKind {
    /// Its name in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Person, Self::Service].into_iter().find(|kind| kind.name() == name)
    }
}

/// Someone who can be named in the log.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Its id: the actor in the log, and the targeting key when it evaluates for itself.
    pub id: Id,
    /// Whether it is a person.
    #[serde(skip)]
    pub kind: AccountKind,
    /// Unique, in lower case. For a service account its name, which is no address.
    pub email: String,
    /// What people read; may be empty.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Whether it is let in. One that is not keeps its sessions and tokens, which are refused.
    pub active: bool,
    /// Argon2id in PHC form; `None` for a service account, and for a person who has not chosen one yet.
    #[serde(skip)]
    pub password_hash: Option<String>,
    /// Revision of the instance's last change to it.
    #[serde(skip)]
    pub version: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Account {
    /// Whether it is an admin who can sign in: an instance keeps at least one.
    pub fn is_admin_in_force(&self) -> bool {
        let Self { kind, role, active, password_hash, .. } = self;
        *kind == AccountKind::Person && *role == Role::Admin && *active && password_hash.is_some()
    }

    /// Its tag, by which a change says upon which version of it it was decided.
    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    /// What the log says a change was about.
    pub(crate) fn entity(&self) -> Entity {
        Entity { kind: "account".to_owned(), id: self.id, key: self.email.clone() }
    }
}

/// What is written about accounts and what they prove themselves with. On the instance's chain.
#[derive(Debug, Clone)]
pub enum AccountWrite {
    /// Makes an account; its e-mail must be free.
    Create(Account),
    /// Replaces an account; its e-mail must be free, and its kind stays. A link that was made before is void: it was
    /// for the account as it was.
    Update(Account),
    /// Removes an account with its sessions, tokens and link.
    Delete {
        /// The account.
        id: Id,
    },
    /// Ends the sessions of an account.
    EndSessions {
        /// The account.
        account_id: Id,
        /// The one that goes on.
        except: Option<Id>,
    },
    /// Ends the sessions of all accounts, and voids all links and the setup token.
    EndAllSessions,
    /// Says who an account's owner is at a provider; nobody else may be that there.
    LinkIdentity(Identity),
    /// Forgets who an account's owner is at a provider; the change is stale if that is not known.
    UnlinkIdentity {
        /// The identity.
        id: Id,
    },
    /// Makes the one link of an account, in the place of any before.
    PutResetLink(ResetLink),
    /// Uses up an account's link. The change is stale if it has another, or none.
    TakeResetLink {
        /// The account.
        account_id: Id,
        /// SHA-256 of the link's token, in lower-case hex.
        hash: String,
    },
    /// Uses up the setup token. The change is stale if it is another, or none.
    TakeSetupToken {
        /// SHA-256 of the token, in lower-case hex.
        hash: String,
    },
    /// Makes an access token; its hash must be new.
    CreateAccessToken(AccessToken),
    /// Lets an access token expire because another took its place. The change is stale if one did before.
    ReplaceAccessToken {
        /// The token.
        id: Id,
        /// From when on it is refused.
        at: Timestamp,
        /// The one in its place.
        by: Id,
    },
    /// Removes an access token.
    DeleteAccessToken {
        /// The token.
        id: Id,
    },
    /// Removes all access tokens of an account, if there are any.
    DeleteAccessTokens {
        /// The account.
        account_id: Id,
    },
    /// Keeps that configuration gave something and it was taken, so that it is not taken again when it was ended.
    NoteGiven {
        /// SHA-256 of what was given, in lower-case hex.
        fingerprint: String,
    },
    /// Makes a key that signs session tokens.
    CreateSigningKey(SigningKey),
    /// Ends the signing of a key that signs; the change is stale if it does not.
    RetireSigningKey {
        /// The key.
        id: Id,
        /// How long what it signed is still taken.
        until: Timestamp,
    },
    /// Refuses at once what a key signed, and forgets its secret. The change is stale if that was done.
    RevokeSigningKey {
        /// The key.
        id: Id,
        /// When.
        at: Timestamp,
        /// What stays of the secret, so that it is known again: see [`SigningKey::fingerprint`].
        fingerprint: String,
    },
    /// Removes a key.
    DeleteSigningKey {
        /// The key.
        id: Id,
    },
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, email, role, .. } = self;
        f.debug_struct("Account")
            .field("id", id)
            .field("email", email)
            .field("role", role)
            .finish_non_exhaustive()
    }
}
