//! The Store port on SQLite and PostgreSQL (one set of query files, mounted twice) and in memory.
//!
//! [`open`] is the only way in. What the three must do alike is `testkit::store_contract`; what the two
//! databases do differently stands in `sql/sqlite/mod.rs` and `sql/postgres/mod.rs`, and nowhere else.

mod backup;
mod fit;
mod memory;
mod open;
mod sql;

pub use backup::{BackupError, Replaced, backup, remove_lock, restore};
pub use open::{OpenError, open, open_read_only};
