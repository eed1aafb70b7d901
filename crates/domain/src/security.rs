//! The security log: sign-ins, failures and refusals. They are no changes and take no revision of any project; they
//! have a chain of their own.
//!
//! Whoever notes an event goes on at once: it waits in memory (`pending`) until the next flush, which a task of the
//! program makes every second and at shutdown. Noise is bounded before it is written, so that whoever knocks all day
//! fills no disk.

mod budget;
mod chain;
mod pending;
mod read;
mod remembered;

use std::net::IpAddr;

use engine::model::Revision;

use crate::control::Control;
use crate::error::Result;
use crate::id::Id;
use crate::log::Hash;
use crate::time::Timestamp;

pub use chain::link_security;
pub(crate) use pending::Pending;
pub use read::{SecurityAbout, SecurityExport, SecurityView};
pub use remembered::{MOST_REMEMBERED, Remembered};

/// No subject is longer, in bytes; more is cut off.
const MOST_SUBJECT: usize = 254;
/// No detail is longer, in bytes; more is cut off.
const MOST_DETAIL: usize = 500;

/// Something about security that is no change.
#[derive(Debug, Clone)]
pub struct SecurityEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: SecurityKind,
    /// Whether it is about an account, or a key or token that exists or did: strangers' noise does not use up what is written of these.
    pub known: bool,
    /// The account, if it is known.
    pub actor: Option<Id>,
    /// Where from, if that is known.
    pub address: Option<IpAddr>,
    /// What it was about: an e-mail, or the hint of a key. Never a secret; at most 254 bytes are kept.
    pub subject: String,
    /// What else to know, in few words that do not differ from time to time: what differs is written anew.
    pub detail: String,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecurityKind {
    /// Someone signed in.
    SignedIn,
    /// E-mail and password did not fit.
    SignInFailed,
    /// Too many tries; nothing was looked at.
    SignInThrottled,
    /// Someone ended a session.
    SignedOut,
    /// A refresh token was used twice: its session was ended.
    RefreshReused,
    /// A token that is not valid, or is no longer.
    TokenRefused,
    /// Someone known asked for what they may not do.
    Forbidden,
    /// An SDK key that is not known, or that asked for more than its kind may.
    KeyRefused,
    /// The first admin was made by the setup token.
    SetupUsed,
    /// A password was set by a one-time link.
    PasswordReset,
    /// Old entries of this log were removed.
    EntriesExpired,
}

impl SecurityKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::SignedIn,
        Self::SignInFailed,
        Self::SignInThrottled,
        Self::SignedOut,
        Self::RefreshReused,
        Self::TokenRefused,
        Self::Forbidden,
        Self::KeyRefused,
        Self::SetupUsed,
        Self::PasswordReset,
        Self::EntriesExpired,
    ];

    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::SignInFailed => "sign_in_failed",
            Self::SignInThrottled => "sign_in_throttled",
            Self::SignedOut => "signed_out",
            Self::RefreshReused => "refresh_reused",
            Self::TokenRefused => "token_refused",
            Self::Forbidden => "forbidden",
            Self::KeyRefused => "key_refused",
            Self::SetupUsed => "setup_used",
            Self::PasswordReset => "password_reset",
            Self::EntriesExpired => "entries_expired",
        }
    }
}

/// What an entry of the security log says: an event, or the same one several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityNote {
    /// When it first happened.
    pub at: Timestamp,
    /// When it last happened.
    pub last_at: Timestamp,
    /// How often.
    pub count: u64,
    /// [`SecurityKind::name`].
    pub kind: String,
    /// The account, if it is known.
    pub actor: Option<Id>,
    /// Where from, if that is known.
    pub address: Option<IpAddr>,
    /// What it was about.
    pub subject: String,
    /// What else to know.
    pub detail: String,
}

/// An entry of the security log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityEntry {
    /// Its place, from 1 without gaps.
    pub revision: Revision,
    /// What it says.
    pub note: SecurityNote,
    /// [`link_security`] over it and the hash before.
    pub hash: Hash,
}

impl SecurityNote {
    /// What happened once.
    pub fn once(event: SecurityEvent) -> Self {
        let SecurityEvent { at, kind, actor, address, subject, detail, .. } = event;
        let (subject, detail) = (bounded(subject, MOST_SUBJECT), bounded(detail, MOST_DETAIL));
        Self { at, last_at: at, count: 1, kind: kind.name().to_owned(), actor, address, subject, detail }
    }
}

/// As much of a text as may be kept; no database keeps U+0000.
fn bounded(mut text: String, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or_default());
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

impl Control {
    /// Takes note of an event. Never waits: it is written with the next flush.
    pub fn note_security(&self, event: SecurityEvent) {
        tracing::debug!(
            target: "security",
            kind = event.kind.name(),
            subject = %event.subject,
            address = event.address.map(tracing::field::display),
            detail = %event.detail
        );
        self.security.note(event);
    }

    /// Writes what was noted, or at a shutdown (`all`) what is held back as well because the same was written a
    /// moment ago. What could not be written is noted again.
    pub async fn flush_security(&self, all: bool) -> Result<()> {
        let taken = self.security.take(self.clock.now(), all);
        if taken.notes.is_empty() {
            return Ok(());
        }
        let written = self.store.append_security(&taken.notes, None).await;
        if written.is_err() {
            self.security.give_back(taken);
        }
        written?;
        Ok(())
    }
}
