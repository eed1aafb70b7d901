//! The doors for applications, from outside: requests in, answers and frames out.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic in its helpers too"
)]

mod ahead;
mod behind;
mod events;
mod failing_lists;
mod follower;
mod heavy;
mod key_lists;
mod keys;
mod mixtures;
mod ofrep;
mod ranges;
mod sdk;
mod support;
mod tickets;
