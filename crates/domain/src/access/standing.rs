//! What a caller stood on when they were let in.
//!
//! A change is committed only while all of it holds still ([`crate::log::Change::standing`]): who loses a right, or is
//! signed out, while a request of theirs is under way does not take it back by that request.

use super::Caller;
use crate::account::Role;
use crate::grant::Granted;
use crate::id::Id;

/// By what somebody is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A session.
    Session(Id),
    /// An access token.
    AccessToken(Id),
}

/// An account, what it was given, and by what it was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The account, which must be active.
    pub account_id: Id,
    /// What it was on the instance.
    pub role: Role,
    /// What was granted to it or its teams.
    pub granted: Vec<Granted>,
    /// By what it was known; it must be there.
    pub proof: Option<Proof>,
}

impl Standing {
    /// Whether an account with this role and these grants has all that this one had. More is no harm.
    pub fn holds(&self, role: Role, granted: &[Granted]) -> bool {
        self.role == role && self.granted.iter().all(|one| granted.contains(one))
    }
}

impl Caller {
    /// What they stand on.
    pub fn standing(&self) -> Standing {
        let session = self.session_id().map(Proof::Session);
        Standing {
            account_id: self.account_id(),
            role: self.role(),
            granted: self.granted().to_vec(),
            proof: session.or(self.token_id().map(Proof::AccessToken)),
        }
    }
}
