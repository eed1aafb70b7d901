//! A question.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use crate::context::Context;

/// A question: who is asking, and what they were given before.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) context: &'a Context,
    /// None where nobody keeps them.
    pub(crate) assignments: Option<&'a dyn Assignments>,
}

/// What a caller was given before, for sticky splits.
pub trait Assignments {
    /// The variant that the caller was given of this flag.
    fn variant(&self, flag: &str) -> Option<&str>;
}

impl<S: BuildHasher> Assignments for HashMap<String, String, S> {
    fn variant(&self, flag: &str) -> Option<&str> {
        self.get(flag).map(String::as_str)
    }
}

impl Assignments for BTreeMap<String, String> {
    fn variant(&self, flag: &str) -> Option<&str> {
        self.get(flag).map(String::as_str)
    }
}
