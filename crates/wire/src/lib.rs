//! What travels between Burgee and those who talk to it: entity tags, stream frames, OFREP bodies, events, problem
//! documents.
//!
//! Bytes in, bytes out: nothing here waits, keeps state or knows a web framework, so a server, an edge and a
//! client can share it. Snapshots and deltas travel as `engine::model` has them.

pub mod etag;
pub mod events;
mod json;
pub mod ofrep;
pub mod problem;
pub mod sse;

pub use json::{to_json, without_lone_surrogates};
