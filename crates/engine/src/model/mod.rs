//! The documents: what travels to every reader and what the store keeps. `docs/evaluation.md` gives the shapes.
//!
//! People's short forms do not exist here. Reading is strict where a mistake would change an answer and lenient
//! where a newer writer may say more: see [`Read`].

mod condition;
mod flag;
mod read;
mod serve;
mod snapshot;

pub use condition::{Condition, Leaf, MOST_DEPTH, Operator, read_attribute, read_value, read_values};
pub use flag::{Flag, Kind, Prerequisite, Rule, Target, Variant};
pub use read::Read;
pub use serve::{Hash, Serve, Split, WHOLE, Weighted};
pub use snapshot::{Delta, Revision, SCHEMA, Snapshot};
