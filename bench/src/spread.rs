//! Many measurements of one thing.

use std::fmt;
use std::time::Duration;

/// Sorted durations.
pub(crate) struct Spread(Vec<Duration>);

impl Spread {
    /// Of at least one measurement.
    pub(crate) fn new(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }

    /// The duration below which a share (0 to 1) of them lies.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index"
    )]
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let index = ((self.0.len() as f64 * share) as usize).min(self.0.len().saturating_sub(1));
        self.0.get(index).copied().unwrap_or_default()
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| self.quantile(share).as_secs_f64() * 1e3);
        write!(f, "p50 {p50:.2} ms, p99 {p99:.2} ms, max {most:.2} ms ({} measured)", self.0.len())
    }
}
