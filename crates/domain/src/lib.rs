//! What the product does: use cases by capability, errors by meaning, and the ports they stand on.
//!
//! Every change that a person, a key or a guard makes goes through one use case here, whatever door it came
//! by, and leaves as one [`log::Change`], committed by the [`ports::Store`] in one transaction.

pub mod access;
pub mod account;
pub mod audit;
mod background;
pub mod comment;
mod condition;
pub mod context_field;
pub mod control;
pub mod difference;
pub mod environment;
pub mod error;
pub mod evaluation;
pub mod flag;
pub mod founding;
pub mod grant;
pub mod id;
pub mod idempotency;
pub mod in_use;
mod input;
pub mod key;
pub mod log;
pub mod ports;
pub mod project;
pub mod revert;
pub mod role;
pub mod sdk_key;
pub mod secret;
pub mod security;
pub mod segment;
pub mod team;
pub mod time;
mod turns;
pub mod usage;
mod validity;
