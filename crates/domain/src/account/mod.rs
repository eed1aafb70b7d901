//! People and programs that may sign in, and what they may do.

mod password;
mod register;
mod sign_in;

use serde::{Serialize, Serializer};

use crate::id::Id;
use crate::time::Timestamp;

pub(crate) use password::{hash_password, hashing, verify};
pub use register::Registration;
pub(crate) use register::{creation, is_email, is_password, password_rule};
pub use sign_in::Session;

/// What an account may do. Each may do all that the one before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
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
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Admin => "admin",
        }
    }

    /// Reads a name; `user` is another word for `viewer`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
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

/// Someone who can be named in the log.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Its id: the actor in the log, and the targeting key when it evaluates for itself.
    pub id: Id,
    /// Unique, in lower case. For a service account its name, which is no address.
    pub email: String,
    /// What people read; may be empty.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Argon2id in PHC form; `None` for a service account, which cannot sign in.
    #[serde(skip)]
    pub password_hash: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A credential of an account that does not expire, known by its SHA-256 alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Its id.
    pub id: Id,
    /// Whose it is.
    pub account_id: Id,
    /// SHA-256 of the token, in lower-case hex.
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
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

/// A secret that signs session tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Named in the header of what it signed (`kid`).
    pub id: Id,
    /// HMAC-SHA-256 key.
    pub secret: Vec<u8>,
    /// When it was made; the newest one signs.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}
