//! What the engine's figures are taken with: one set of flags and of callers for all of them, so that a figure
//! of one program can be set beside that of another.

pub mod callers;
pub mod everything;
pub mod flags;

pub use callers::Caller;
pub use flags::Sort;
