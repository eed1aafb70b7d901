//! What people should know of a flag's life. Nothing of it changes an answer.

use crate::time::Day;

/// Where a flag is in its life. That it is archived, which does change answers, is said beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// Not yet meant to be relied upon.
    Draft,
    /// In use.
    Active,
    /// On its way out.
    Deprecated,
}

impl Lifecycle {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 3] = [Self::Draft, Self::Active, Self::Deprecated];
    /// What documents say in their place of a flag that is archived.
    pub const ARCHIVED: &str = "archived";

    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Deprecated => "deprecated",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

/// How long a flag is meant to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// For as long as there is a program that asks for it.
    Permanent,
    /// Until what it is for is done.
    Temporary {
        /// The last day on which anybody should need it.
        expected_end: Option<Day>,
    },
}

impl Lifetime {
    /// Whether it is meant to go some day.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::Temporary { .. })
    }

    /// When, if anybody said.
    pub fn expected_end(self) -> Option<Day> {
        match self {
            Self::Permanent => None,
            Self::Temporary { expected_end } => expected_end,
        }
    }
}
