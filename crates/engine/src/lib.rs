//! What a flag is and what it evaluates to.
//!
//! The engine is a function: `(ruleset, flag key, context) -> resolution`. No async, no I/O, no clock, no
//! chance, no panic; the same question has the same answer on every node and in every SDK. The contract it
//! keeps is `docs/evaluation.md`; the cases in `conformance/` prove it.
//!
//! [`model`] is what travels and what is stored: the normalised documents, read so that one part that this
//! reader does not know spoils only itself. [`Ruleset`] is what is asked: the same flags compiled to flat,
//! immutable data. Nothing compiled is ever sent or stored. [`check`] says before a flag is written whether
//! all of it will compile.

pub mod bucket;
mod check;
mod compile;
mod context;
mod evaluate;
mod fold;
#[cfg_attr(not(test), expect(dead_code, reason = "the operators that compare instants come next"))]
mod instant;
pub mod json;
pub mod model;
#[cfg_attr(not(test), expect(dead_code, reason = "the operator that looks for addresses comes next"))]
mod network;
#[cfg_attr(not(test), expect(dead_code, reason = "the operator that looks for patterns comes next"))]
mod pattern;
mod resolution;
mod ruleset;
mod text;
mod tree;
mod values;
#[cfg_attr(not(test), expect(dead_code, reason = "the operator that compares versions comes next"))]
mod version;

pub use check::check;
pub use context::Context;
pub use resolution::{Error, ErrorCode, Reason, Resolution};
pub use ruleset::{Entry, Ruleset};
