//! What a flag is and what it evaluates to.
//!
//! The engine is a function: `(ruleset, flag key, context) -> resolution`. No async, no I/O, no clock, no
//! chance, no panic; the same question has the same answer on every node and in every SDK. The contract it
//! keeps is `docs/evaluation.md`; the cases in `conformance/` prove it.
//!
//! [`model`] is what travels and what is stored: the normalised documents, read so that one part that this
//! reader does not know spoils only itself. [`Ruleset`] is what is asked: the same flags compiled to flat,
//! immutable data. Nothing compiled is ever sent or stored. [`check_flag`] says before a flag is written whether
//! all of it will compile.

mod answer;
mod asked;
pub mod bucket;
mod check;
mod compile;
mod compiled;
mod context;
mod cut;
mod evaluate;
pub mod explain;
mod fold;
mod graph;
mod instant;
pub mod json;
mod key_list;
mod link;
mod lookup;
mod mention;
pub mod model;
mod network;
mod pattern;
mod reason;
mod resolution;
mod ruleset;
mod segment;
pub mod simulate;
mod steps;
mod surroundings;
mod test;
mod text;
mod trace;
mod unit;
mod uses;
mod values;
mod version;

pub use asked::Assignments;
pub use check::{check_flag, check_list, check_segment, weighs_on_others};
pub use context::Context;
pub use key_list::{KeyList, KeyListReader, KeyLists};
pub use reason::{ErrorCode, Reason};
pub use resolution::{Error, Resolution};
pub use ruleset::{Entry, Ruleset};
pub use uses::{Named, Use, User, uses};

/// Whether a text is a version, as `semver` reads those of contexts.
pub fn is_version(text: &str) -> bool {
    version::Version::parse(text).is_some()
}

/// Whether a text is an address, as `cidr` reads those of contexts.
pub fn is_address(text: &str) -> bool {
    network::Address::parse(text).is_some()
}

/// Reads an RFC 3339 date and time with an offset: milliseconds since 1970, parts of one left out.
pub fn read_instant(text: &str) -> Option<i64> {
    instant::parse(text)
}

/// Whether a text is an instant, as `before` and `after` read those of contexts.
pub fn is_instant(text: &str) -> bool {
    instant::parse(text).is_some()
}
