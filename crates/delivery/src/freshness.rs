//! How long ago what this node holds was compared with where it comes from.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// When it was, as far as is known.
pub struct Freshness(Mutex<Instant>);

impl Default for Freshness {
    /// Just now.
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Freshness {
    /// Notes that it was just now.
    pub fn renew(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// How long ago it was.
    pub fn age(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}
