//! What a flag is and what it evaluates to.
//!
//! The engine is a function: `(ruleset, flag key, context) -> resolution`. No async, no I/O, no clock, no
//! chance, no panic; the same question has the same answer on every node and in every SDK. The contract it
//! keeps is `docs/evaluation.md`; the cases in `conformance/` prove it.
//!
//! [`model`] is what travels and what is stored: the normalised documents, read so that one part that this
//! reader does not know spoils only itself. [`Ruleset`] is what is asked: the same flags compiled to flat,
//! immutable data. Nothing compiled is ever sent or stored.

pub mod json;
pub mod model;
