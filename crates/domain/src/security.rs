//! What happens about security and changes nothing: sign-ins, refusals, keys that are used beyond their rights.

use std::net::IpAddr;

use crate::control::Control;
use crate::id::Id;
use crate::time::Timestamp;

/// Something about security that is no change.
#[derive(Debug, Clone)]
pub struct SecurityEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: SecurityKind,
    /// The account that it is about, if it is known.
    pub actor: Option<Id>,
    /// Where it came from, if that is known.
    pub address: Option<IpAddr>,
    /// An e-mail or the hint of a key, at most 254 bytes; never a secret.
    pub subject: String,
    /// More about it, for people; never a secret.
    pub detail: String,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityKind {
    /// Someone signed in.
    SignedIn,
    /// A sign-in was refused: no account has this e-mail and password, or it is not active.
    SignInFailed,
    /// A sign-in was not looked at: there were too many.
    SignInThrottled,
    /// A refresh token was used a second time: one of the two who have it is a thief, and the session was ended.
    RefreshReused,
    /// One session, or all of an account, was ended by its owner.
    SignedOut,
    /// A session token or access token was refused.
    TokenRefused,
    /// Someone known was refused what they may not do.
    Forbidden,
    /// An SDK key was refused.
    KeyRefused,
}

impl SecurityKind {
    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::SignInFailed => "sign_in_failed",
            Self::SignInThrottled => "sign_in_throttled",
            Self::RefreshReused => "refresh_reused",
            Self::SignedOut => "signed_out",
            Self::TokenRefused => "token_refused",
            Self::Forbidden => "forbidden",
            Self::KeyRefused => "key_refused",
        }
    }
}

impl Control {
    /// Tells of an event. It never fails and never waits.
    pub fn note_security(&self, event: SecurityEvent) {
        let SecurityEvent { kind, actor, address, subject, detail, .. } = event;
        let (actor, address) = (actor.map(tracing::field::display), address.map(tracing::field::display));
        // As a quoted text: what a stranger sent begins no line of the log.
        tracing::info!(target: "security", kind = kind.name(), actor, address, ?subject, ?detail);
    }
}
