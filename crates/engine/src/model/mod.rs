//! The documents: what travels to every reader and what the store keeps. `docs/evaluation.md` gives the shapes.
//!
//! People's short forms do not exist here. Reading is strict where a mistake would change an answer and lenient
//! where a newer writer may say more: see [`Read`].

mod condition;
mod flag;
mod leaf;
mod read;
mod segment;
mod serve;
mod snapshot;

pub use condition::{Condition, Gate, MOST_DEPTH};
pub(crate) use flag::no_variant;
pub use flag::{Flag, Kind, Prerequisite, Rule, Target, Variant};
pub use leaf::{Leaf, Operands, Operator, read_attribute, read_value, read_values};
pub use read::Read;
pub use segment::{Keys, List, MOST_INLINE_KEYS, MOST_KEYS, Segment, is_key};
pub use serve::{Hash, Serve, Split, Spread, WHOLE, Weighted};
pub use snapshot::{Delta, Revision, SCHEMA, Snapshot};

/// No longer than this, in bytes, are names of variants and rules, and targeting keys in lists.
pub const MOST_NAME: usize = 256;
