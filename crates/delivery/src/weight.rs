//! What questions about all flags of an environment take: known before anyone asks.

use engine::{Entry, Ruleset};

use crate::ports::KeyKind;

/// What is written of a flag around its value, in bytes.
const AROUND_A_VALUE: u64 = 192;

/// What a question about many flags takes, whatever its context.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weight {
    /// How much there is to test; see [`Entry::weight`].
    pub(crate) tests: u64,
    /// How many bytes are written.
    pub(crate) written: u64,
}

impl Weight {
    fn add(&mut self, flag: Entry<'_>) {
        let written = flag.longest_value().saturating_add(AROUND_A_VALUE);
        self.tests = self.tests.saturating_add(flag.weight());
        self.written = self.written.saturating_add(written);
    }
}

/// What a question about all flags takes, by what the key shows.
pub(crate) struct Weights {
    of_all: Weight,
    of_visible: Weight,
}

impl Weights {
    pub(crate) fn of(ruleset: &Ruleset) -> Self {
        let mut weights = Self { of_all: Weight::default(), of_visible: Weight::default() };
        for flag in ruleset.flags() {
            weights.of_all.add(flag);
            if flag.client_visible() {
                weights.of_visible.add(flag);
            }
        }
        weights
    }

    pub(crate) fn shown_to(&self, kind: KeyKind) -> Weight {
        match kind {
            KeyKind::Server => self.of_all,
            KeyKind::Client => self.of_visible,
        }
    }
}
