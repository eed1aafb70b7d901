//! What each port asks, a file for each.

mod accounts;
mod attempts;
mod flags;
mod logs;
mod projects;
mod rights;
mod sdk_keys;
mod segments;
mod usage;
